import { createHash } from "dgate/crypto";
import { addDocument, getDocument } from "dgate/state";

export const requestHandler: DGate.RequestHandler = async (ctx) => {
  const request = ctx.request();
  const response = ctx.response();

  if (request.method === "POST") {
    const url = request.query.get("url");
    const id = createHash("sha256").update(url).digest("base64rawurl").slice(0, 8);
    try {
      await addDocument({ collection: "links", id, data: { url } });
    } catch (error: any) {
      return void response.status(400).json({ error: error.message });
    }
    return void response.status(201).json({ id });
  }

  const link = await getDocument(ctx.pathParam("id"), "links");
  if (!link) {
    return void response.status(404).json({ error: "no such link" });
  }
  response.redirect(link.data.url);
};
