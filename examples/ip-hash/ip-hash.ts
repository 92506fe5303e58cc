// Sends each client to the same upstream every time, as long as the list of upstreams is the same.
export const fetchUpstream: DGate.FetchUpstream = (ctx) => {
  const urls = ctx.service()!.urls;
  let hash = 0;
  for (const char of ctx.request().remoteAddress) {
    hash = (hash * 31 + char.charCodeAt(0)) >>> 0;
  }
  return urls[hash % urls.length];
};
