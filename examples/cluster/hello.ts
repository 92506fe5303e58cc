export const requestHandler: DGate.RequestHandler = (ctx) => {
  ctx.response().send(`hello ${ctx.pathParam("name")}\n`);
};
