using System.Buffers.Binary;
using System.Globalization;
using PeftCore.Kernels;

namespace PeftCore.Io.Gguf;

/// <summary>What exports of models and adapters have in common: the types that are written, and how numbers become them.</summary>
internal static class GgufEncoding
{
    // LlamaFileType of llama.cpp, and the types that convert_hf_to_gguf.py has for --outtype.
    private static readonly (string Flag, string Type, uint FileType)[] Types =
        [("f32", "F32", 0), ("f16", "F16", 1), ("bf16", "BF16", 32), ("q8_0", "Q8_0", 7)];

    /// <summary>The type of a flag's value.</summary>
    /// <exception cref="BadInputException">There is no such type.</exception>
    public static (GgufType Type, uint FileType) Parse(string flag)
    {
        var found = Types.FirstOrDefault(type => type.Flag.Equals(flag, StringComparison.OrdinalIgnoreCase));
        return found.Flag is not null ? (GgufType.Named(found.Type), found.FileType) : throw new BadInputException(
            $"\"{flag}\" is no type of GGUF files that is written; choose {string.Join(", ", Types.Select(type => type.Flag))}.");
    }

    /// <summary>The type of a tensor as convert_hf_to_gguf.py chooses it: vectors, norms and tables of positions are F32, and rows that are
    /// no whole blocks F16.</summary>
    public static GgufType TypeOf(string name, long[] shape, GgufType asked) =>
        shape.Length <= 1 || name.EndsWith("_norm.weight", StringComparison.Ordinal) || name == "position_embd.weight"
            || !(name.EndsWith(".weight", StringComparison.Ordinal) || name.EndsWith(".lora_a", StringComparison.Ordinal)
                || name.EndsWith(".lora_b", StringComparison.Ordinal)) ? GgufType.Named("F32")
            : shape[^1] % asked.Elements != 0 ? GgufType.Named("F16") : asked;

    /// <summary>Writes numbers in a type.</summary>
    public static void Write(Stream stream, GgufType type, ReadOnlySpan<float> values)
    {
        byte[] bytes = new byte[values.Length / type.Elements * type.Bytes];
        switch (type.Name)
        {
            case "F32":
                System.Runtime.InteropServices.MemoryMarshal.AsBytes(values).CopyTo(bytes);
                break;
            case "F16":
                for (int i = 0; i < values.Length; i++)
                {
                    BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(2 * i), (Half)values[i]);
                }
                break;
            case "BF16":
                for (int i = 0; i < values.Length; i++)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2 * i), ToBf16(values[i]));
                }
                break;
            case "Q8_0":
                Q80Blocks.Quantize(values, bytes);
                break;
            default:
                throw new ArgumentException($"numbers are not written as {type.Name}", nameof(type));
        }
        stream.Write(bytes);
    }

    /// <summary>The name of a model for people, from that of its directory: words begin with capitals.</summary>
    public static string TitleOf(string path)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        name = GgufFile.IsNamed(name) ? Path.GetFileNameWithoutExtension(name) : name;
        string[] words = name.Replace('-', ' ').Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return string.Join(' ', words.Select(word => word.Any(char.IsUpper) || !word.Any(char.IsLower) || char.IsAsciiDigit(word[0])
            || IsVersion(word) ? word : Title(word)));
    }

    private static bool IsVersion(string word) => word.Length > 1 && word[0] == 'v' && char.IsAsciiDigit(word[1])
        && word.AsSpan(1).IndexOfAnyExcept("0123456789.") < 0;

    private static string Title(string word)
    {
        char[] letters = word.ToCharArray();
        for (int i = 0; i < letters.Length; i++)
        {
            if (i == 0 || !char.IsLetter(letters[i - 1]))
            {
                letters[i] = char.ToUpper(letters[i], CultureInfo.InvariantCulture);
            }
        }
        return new string(letters);
    }

    // Rounds to the nearest, ties to even.
    private static ushort ToBf16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 64) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
