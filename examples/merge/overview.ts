const get = async (url: string) => {
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
};

// One answer made of two. Both services are asked at the same time.
export const requestHandler: DGate.RequestHandler = async (ctx) => {
  const user = encodeURIComponent(ctx.pathParam("user"));
  const [profile, orders] = await Promise.all([
    get(`http://localhost:8081/users/${user}`),
    get(`http://localhost:8082/orders?user=${user}`),
  ]);
  ctx.response().json({ ...profile, orders: orders.length });
};

export const errorHandler: DGate.ErrorHandler = (ctx, error) => {
  console.error(error);
  ctx.response().status(502).json({ error: "a part of the answer is missing" });
};
