// Called when the upstream cannot be reached, or when another hook fails.
export const errorHandler: DGate.ErrorHandler = (ctx, error) => {
  console.error(ctx.id, error);
  const response = ctx.response().status(503);
  response.headers.set("Retry-After", "30");
  if (ctx.request().headers.get("Accept").includes("json")) {
    response.json({ error: "We will be back soon.", id: ctx.id });
  } else {
    response.headers.set("Content-Type", "text/html; charset=utf-8");
    response.send("<h1>We will be back soon</h1>\n");
  }
};
