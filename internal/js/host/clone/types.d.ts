/**
 * A deep copy: of plain objects, arrays, Map, Set, Date, RegExp, Error, ArrayBuffer and its views,
 * cycles among them. Others throw a DataCloneError. ArrayBuffers in transfer are moved, not copied.
 */
declare function structuredClone<T>(value: T, options?: { transfer?: readonly ArrayBuffer[] }): T;
