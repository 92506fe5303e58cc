import { timingSafeEqual } from "dgate/crypto";
import { getSecret } from "dgate/secret";

// Answers for the upstream unless the request has the key. The upstream never sees it.
export const requestModifier: DGate.RequestModifier = (ctx) => {
  const { headers } = ctx.request();
  const key = getSecret("api-key");
  if (key === null || !timingSafeEqual(headers.get("X-API-Key"), key)) {
    return new Response("a valid X-API-Key is needed\n", { status: 401 });
  }
  headers.del("X-API-Key");
};
