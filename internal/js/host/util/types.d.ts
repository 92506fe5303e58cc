declare module "dgate/util" {
	/**
	 * Reads the body of `ctx.upstream()` or `ctx.request()` as text, writes what `change` makes of
	 * it, and gives that back.
	 *
	 * @example
	 * export const responseModifier = (ctx) => readWriteBody(ctx.upstream(), (text) => text.replaceAll("http:", "https:"));
	 */
	export function readWriteBody<T extends string | ArrayBuffer | ArrayBufferView>(
		message: { readBody(): ArrayBuffer | Promise<ArrayBuffer>; writeBody(body: any): unknown },
		change: (text: string) => T | Promise<T>,
	): Promise<T>;

	const util: typeof import("dgate/util");
	export default util;
}
