export const allowed = (key) => key === "open sesame";
