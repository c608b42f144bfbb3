//! The structures of the Parquet format that the Parquet library reads, with the types of their fields.
//!
//! As in `parquet.thrift` of Apache Parquet. A field that is not here is one that the library passes over.

use super::thrift::Field::{Boolean, Structure, Structures, Value, Values};
use super::thrift::{BINARY, BYTE, DOUBLE, I16, I32, I64, Known};

/// `FileMetaData`.
pub(super) const FOOTER: Known = &[
    (1, Value(I32)),
    (SCHEMA, Structures(SCHEMA_ELEMENT)),
    (3, Value(I64)),
    (4, Structures(ROW_GROUP)),
    (5, Structures(KEY_VALUE)),
    (6, Value(BINARY)),
    (7, Structures(COLUMN_ORDER)),
    (8, Structure(ENCRYPTION_ALGORITHM)),
    (9, Value(BINARY)),
];

/// `schema` of a footer.
pub(super) const SCHEMA: i16 = 2;

pub(super) const SCHEMA_ELEMENT: Known = &[
    (1, Value(I32)),
    (2, Value(I32)),
    (3, Value(I32)),
    (4, Value(BINARY)),
    (CHILDREN, Value(I32)),
    (6, Value(I32)),
    (7, Value(I32)),
    (8, Value(I32)),
    (9, Value(I32)),
    (10, Structure(LOGICAL_TYPE)),
];

/// `num_children` of an element of a schema.
pub(super) const CHILDREN: i16 = 5;

/// A union: one of these structures, most of which have no fields.
const LOGICAL_TYPE: Known = &[
    (1, Structure(&[])),
    (2, Structure(&[])),
    (3, Structure(&[])),
    (4, Structure(&[])),
    (5, Structure(&[(1, Value(I32)), (2, Value(I32))])),
    (6, Structure(&[])),
    (7, Structure(TIME)),
    (8, Structure(TIME)),
    (10, Structure(&[(1, Value(BYTE)), (2, Boolean)])),
    (11, Structure(&[])),
    (12, Structure(&[])),
    (13, Structure(&[])),
    (14, Structure(&[])),
    (15, Structure(&[])),
    (16, Structure(&[(1, Value(BYTE))])),
    (17, Structure(&[(1, Value(BINARY))])),
    (18, Structure(&[(1, Value(BINARY)), (2, Value(I32))])),
    (19, Structure(&[])),
];

const TIME: Known = &[
    (1, Boolean),
    // Milliseconds, microseconds or nanoseconds.
    (2, Structure(NAMES_OF_THREE)),
];

/// A union of three names.
const NAMES_OF_THREE: Known = &[
    (1, Structure(&[])),
    (2, Structure(&[])),
    (3, Structure(&[])),
];

const COLUMN_ORDER: Known = NAMES_OF_THREE;

const ROW_GROUP: Known = &[
    (1, Structures(COLUMN_CHUNK)),
    (2, Value(I64)),
    (3, Value(I64)),
    (4, Structures(SORTING_COLUMN)),
    (5, Value(I64)),
    (6, Value(I64)),
    (7, Value(I16)),
];

const SORTING_COLUMN: Known = &[(1, Value(I32)), (2, Boolean), (3, Boolean)];

const COLUMN_CHUNK: Known = &[
    (1, Value(BINARY)),
    (2, Value(I64)),
    (3, Structure(COLUMN_META_DATA)),
    (4, Value(I64)),
    (5, Value(I32)),
    (6, Value(I64)),
    (7, Value(I32)),
    (8, Structure(COLUMN_CRYPTO_META_DATA)),
    (9, Value(BINARY)),
];

const COLUMN_META_DATA: Known = &[
    (1, Value(I32)),
    (2, Values(I32)),
    (3, Values(BINARY)),
    (4, Value(I32)),
    (5, Value(I64)),
    (6, Value(I64)),
    (7, Value(I64)),
    (8, Structures(KEY_VALUE)),
    (9, Value(I64)),
    (10, Value(I64)),
    (11, Value(I64)),
    (12, Structure(STATISTICS)),
    (13, Structures(PAGE_ENCODING_STATS)),
    (14, Value(I64)),
    (15, Value(I32)),
    (16, Structure(SIZE_STATISTICS)),
    (17, Structure(GEOSPATIAL_STATISTICS)),
];

const KEY_VALUE: Known = &[(1, Value(BINARY)), (2, Value(BINARY))];

const PAGE_ENCODING_STATS: Known = &[(1, Value(I32)), (2, Value(I32)), (3, Value(I32))];

/// Of a column chunk, and of a page.
const STATISTICS: Known = &[
    (1, Value(BINARY)),
    (2, Value(BINARY)),
    (3, Value(I64)),
    (4, Value(I64)),
    (5, Value(BINARY)),
    (6, Value(BINARY)),
    (7, Boolean),
    (8, Boolean),
    (9, Value(I64)),
];

const SIZE_STATISTICS: Known = &[(1, Value(I64)), (2, Values(I64)), (3, Values(I64))];

const GEOSPATIAL_STATISTICS: Known = &[(1, Structure(BOUNDING_BOX)), (2, Values(I32))];

const BOUNDING_BOX: Known = &[
    (1, Value(DOUBLE)),
    (2, Value(DOUBLE)),
    (3, Value(DOUBLE)),
    (4, Value(DOUBLE)),
    (5, Value(DOUBLE)),
    (6, Value(DOUBLE)),
    (7, Value(DOUBLE)),
    (8, Value(DOUBLE)),
];

const ENCRYPTION_ALGORITHM: Known = &[(1, Structure(AES_GCM)), (2, Structure(AES_GCM))];

const AES_GCM: Known = &[(1, Value(BINARY)), (2, Value(BINARY)), (3, Boolean)];

const COLUMN_CRYPTO_META_DATA: Known = &[
    (1, Structure(&[])),
    (2, Structure(&[(1, Values(BINARY)), (2, Value(BINARY))])),
];

/// `PageHeader`.
pub(super) const PAGE_HEADER: Known = &[
    (1, Value(I32)),
    (PAGE_SIZE, Value(I32)),
    (3, Value(I32)),
    (4, Value(I32)),
    (5, Structure(DATA_PAGE_HEADER)),
    (6, Structure(&[])),
    (7, Structure(DICTIONARY_PAGE_HEADER)),
    (8, Structure(DATA_PAGE_HEADER_V2)),
];

/// `uncompressed_page_size` of a page header.
pub(super) const PAGE_SIZE: i16 = 2;

const DATA_PAGE_HEADER: Known = &[
    (1, Value(I32)),
    (2, Value(I32)),
    (3, Value(I32)),
    (4, Value(I32)),
    (5, Structure(STATISTICS)),
];

const DICTIONARY_PAGE_HEADER: Known = &[(1, Value(I32)), (2, Value(I32)), (3, Boolean)];

const DATA_PAGE_HEADER_V2: Known = &[
    (1, Value(I32)),
    (2, Value(I32)),
    (3, Value(I32)),
    (4, Value(I32)),
    (5, Value(I32)),
    (6, Value(I32)),
    (7, Boolean),
    (8, Structure(STATISTICS)),
];
