// A module in the form that Workers have: it runs as it is.
export default {
  async fetch(request: Request, env: Record<string, string>): Promise<Response> {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/":
        return new Response(`${env.GREETING}, ${url.searchParams.get("name") ?? "stranger"}\n`);
      case "/digest": {
        const hash = await crypto.subtle.digest("SHA-256", await request.arrayBuffer());
        const hex = [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        return Response.json({ sha256: hex });
      }
      default:
        return new Response("no such page\n", { status: 404 });
    }
  },
};
