declare module "dgate/secret" {
	/**
	 * The secret with this name in the namespace of the module, or null if there is none. An Error
	 * says that this node cannot decrypt it. Operators store secrets, with `dgate-cli secret create`;
	 * a change is seen at once.
	 *
	 * Compare it with `timingSafeEqual` of "dgate/crypto", and do not log it.
	 */
	export function getSecret(name: string): string | null;

	const secret: typeof import("dgate/secret");
	export default secret;
}
