// Before the upstream: /acme/orders becomes /orders, for the tenant acme.
export const requestModifier: DGate.RequestModifier = (ctx) => {
  const request = ctx.request();
  request.headers.set("X-Tenant", ctx.pathParam("tenant"));
  request.path = "/" + ctx.pathParam("*");
  request.query.set("page", request.query.get("page") || "1");
};

// After it: what is nobody's business is taken out.
export const responseModifier: DGate.ResponseModifier = async (ctx, upstream) => {
  const { internal, ...rest } = await upstream.readJson();
  upstream.headers.set("X-Served-For", ctx.pathParam("tenant"));
  upstream.writeJson(rest);
};
