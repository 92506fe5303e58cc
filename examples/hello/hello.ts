import { sha256 } from "dgate/crypto";

// Runs before the upstream: the upstream gets a header that the client did not send.
export const requestModifier: DGate.RequestModifier = (ctx) => {
  const user = ctx.request().query.get("user") || "stranger";
  ctx.request().headers.set("X-User", user);
};

// Runs on the upstream's answer: JSON in, JSON out.
export const responseModifier: DGate.ResponseModifier = async (ctx) => {
  const body = await ctx.upstream().readJson();
  ctx.upstream().writeJson({ ...body, signature: sha256(body.message, "hex").slice(0, 8) });
};
