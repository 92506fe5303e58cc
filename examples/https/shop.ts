// Says whose shop it is, and how it was reached.
export const requestHandler: DGate.RequestHandler = (ctx) => {
  const { sni, version } = ctx.request().tls!;
  ctx.response().send(`the shop of ${ctx.namespace().name}: ${sni} over ${version}\n`);
};
