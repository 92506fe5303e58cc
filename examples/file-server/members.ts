// Runs before the file server: what is below /members/ needs a login.
export const requestModifier: DGate.RequestModifier = (ctx) => {
  const request = ctx.request();
  if (request.path.startsWith("/members/") && !user(ctx)) {
    return new Response("Please log in.\n", { status: 401, headers: { "WWW-Authenticate": "Basic" } });
  }
};

// Runs on what the file server answers, here only on the pages of members.
export const responseModifier: DGate.ResponseModifier = async (ctx, upstream) => {
  upstream.headers.set("X-Powered-By", "a script");
  if (ctx.request().path.startsWith("/members/") && upstream.statusCode === 200) {
    const page = new TextDecoder().decode(await upstream.readBody());
    upstream.writeBody(page.replace("{{user}}", user(ctx)));
  }
};

const user = (ctx: DGate.Context) => {
  const [scheme, credentials] = ctx.request().headers.get("Authorization").split(" ");
  return scheme === "Basic" ? atob(credentials).split(":")[0] : "";
};
