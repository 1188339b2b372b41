namespace PeftCore.Data;

/// <summary>Recognises files that are not UTF-8 text by their first bytes, whatever their ending is.</summary>
internal static class ForeignBytes
{
    private const string Unpack = "unpack it first";
    private const string Save = "save it as UTF-8";

    /// <summary>The actual format of a file that is not text, and how to convert it; null for bytes that may be text.</summary>
    public static string? Problem(ReadOnlySpan<byte> bytes) =>
        Starts(bytes, 0x1F, 0x8B) ? $"the file is compressed with gzip; {Unpack}"
        : Starts(bytes, 0x28, 0xB5, 0x2F, 0xFD) ? $"the file is compressed with Zstandard; {Unpack}"
        : Starts(bytes, 0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00) ? $"the file is compressed with xz; {Unpack}"
        : bytes.StartsWith("BZh"u8) && bytes[3..].Slice(0, Math.Min(7, bytes.Length - 3)).IndexOf("1AY&SY"u8) == 1
        ? $"the file is compressed with bzip2; {Unpack}"
        : bytes.StartsWith("PK\x03\x04"u8) ? $"the file is a zip archive or a spreadsheet; {Unpack}, or save the sheet as csv"
        : bytes.StartsWith("PAR1"u8) || bytes.StartsWith("ARROW1"u8)
        ? "the file is in Parquet or Arrow format; save it as .jsonl, in Python with dataset.to_json(\"train.jsonl\")"
        : bytes.StartsWith("version https://git-lfs.github.com/spec/"u8)
        ? "the file is a pointer of Git LFS, not the data; fetch them with git lfs pull"
        : Starts(bytes, 0xFF, 0xFE) || Starts(bytes, 0xFE, 0xFF) ? $"the file is encoded in UTF-16; {Save}"
        : LooksLikeUtf16(bytes) ? $"the file has a NUL byte in every second place, as UTF-16 without a byte-order mark; {Save}"
        : null;

    private static bool Starts(ReadOnlySpan<byte> bytes, params ReadOnlySpan<byte> signature) => bytes.StartsWith(signature);

    private static bool LooksLikeUtf16(ReadOnlySpan<byte> bytes)
    {
        const int Looked = 8;
        if (bytes.Length < Looked)
        {
            return false;
        }
        int even = 0, odd = 0;
        for (int i = 0; i < Looked; i += 2)
        {
            even += bytes[i] == 0 ? 1 : 0;
            odd += bytes[i + 1] == 0 ? 1 : 0;
        }
        return (even, odd) is (0, Looked / 2) or (Looked / 2, 0);
    }
}
