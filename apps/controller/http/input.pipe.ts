import { type ArgumentMetadata, Injectable, StandardSchemaValidationPipe } from '@nestjs/common';
import { BadInput } from './problems.js';

/** Checks input against the schema of its parameter, and names each field that is wrong. */
@Injectable()
export class InputPipe extends StandardSchemaValidationPipe {
  override async transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    const schema = metadata.schema;
    if (!schema) return value;
    const given = metadata.type === 'body' ? (value ?? {}) : value; // no body at all is an empty one
    this.stripProtoKeys(given);
    const result = await this.validate<T>(given, schema);
    if (!result.issues) return storable(result.value) as T;
    throw new BadInput(
      result.issues.map(({ path = [], message }) => ({
        field:
          path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || metadata.data || 'body',
        message,
      })),
    );
  }
}

/** Without what PostgreSQL does not take in text: NUL, and halves of characters, as a cut-off console may end with. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '');
  if (Array.isArray(value)) return value.map(storable);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, storable(item)]));
}
