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
    if (!result.issues) return result.value;
    throw new BadInput(
      result.issues.map(({ path = [], message }) => ({
        field:
          path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || metadata.data || 'body',
        message,
      })),
    );
  }
}
