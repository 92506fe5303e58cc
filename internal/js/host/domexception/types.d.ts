/** The class of the errors of web standards, which their names tell apart. */
interface DOMException extends Error {
	/** The number that the name had in former times, or 0. */
	readonly code: number;
}
declare var DOMException: {
	readonly prototype: DOMException;
	new (message?: string, name?: string | { name?: string; cause?: unknown }): DOMException;
};
