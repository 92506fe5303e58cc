import { allowed } from "./lib/allowed";
export const requestModifier = (ctx) => {
	if (!allowed(ctx.request().headers.get("x-key"))) ctx.response().status(401).send("denied");
};
