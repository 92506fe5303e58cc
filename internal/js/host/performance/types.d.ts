declare var performance: {
	/** Milliseconds, with fractions, since timeOrigin; the clock only goes forward. */
	now(): number;
	/** When the clock was started, in milliseconds since 1970. */
	readonly timeOrigin: number;
};
