using System.Text;
using PeftCore.Fuzz.Engine;
using PeftCore.Fuzz.Inputs;
using PeftCore.Io;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Small safetensors files with wrong headers, layouts and bytes. <see cref="SafetensorsOracle"/> says which are valid, and what
/// they hold.</summary>
internal sealed class SafetensorsKind : FuzzKind
{
    private const string FileName = "model.safetensors";

    private static readonly (string Header, int DataBytes)[] Valid =
    [
        (SafetensorsBytes.TwoTensors, 19),
        ("""{"w":{"dtype":"BF16","shape":[3,2],"data_offsets":[0,12]},"s":{"dtype":"F32","shape":[],"data_offsets":[12,16]},"e":{"dtype":"I64","shape":[0],"data_offsets":[16,16]}}""", 16),
        ("""{"h":{"dtype":"BOOL","shape":[1,1,3],"data_offsets":[0,3]},"__metadata__":{"x":"\u00e9","y":""},"f":{"dtype":"F8_E5M2","shape":[5],"data_offsets":[3,8]}}  """, 8),
        ("{}", 0),
        ("""{"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"u":{"dtype":"U64","shape":[1,2],"data_offsets":[16,32]},"i":{"dtype":"I32","shape":[2,0,4],"data_offsets":[32,32]}}""", 32),
    ];

    // Wrong tokens that replace a number, a name or a bracket.
    private static readonly string[] Tokens =
    [
        "0", "1", "-1", "-0", "2", "3", "4", "16", "19", "1.0", "1e1", "00", "9223372036854775807", "9223372036854775808",
        "18446744073709551616",
        "4294967296", "null", "true", "\"\"", "\"a\"", "\"b\"", "\"F32\"", "\"U8\"", "\"f32\"", "\"dtype\"", "\"shape\"",
        "\"data_offsets\"", "\"__metadata__\"",
        "{", "}", "[", "]", ",", ":", "{}", "[]", "[[[[[[[[", "\"\\ud800\"", "\"\\u0061\"", " ", "\n", "\0", "é", "[0,16]", "[16,19]",
        "[2,2]",
    ];

    public override string Name => "safetensors";

    public override int Share => 25;

    public static IEnumerable<byte[]> ValidFiles => Valid.Select(file => SafetensorsBytes.File(file.Header, file.DataBytes));

    public override FuzzInput Make(FuzzRandom random)
    {
        var (header, dataBytes) = random.Pick(Valid);
        var (rule, bytes) = random.OneOf(
            (1, () => ("unchanged", SafetensorsBytes.File(header, dataBytes))),
            (6, () => ("damaged bytes", Damage.Apply(random, SafetensorsBytes.File(header, dataBytes)))),
            (4, () => ("damaged header", SafetensorsBytes.File(Damage.Apply(random, Encoding.UTF8.GetBytes(header)), dataBytes))),
            (6, () => ("tokens", SafetensorsBytes.File(Edited(random, header), dataBytes))),
            (6, () => ("fields", SafetensorsBytes.File(WithFields(random, header),
                Math.Max(0, dataBytes + (random.OnceIn(6) ? random.Between(-2, 2) : 0))))),
            (6, () => ("layout", Layout(random))),
            (2, () => ("header length", WithLength(random, SafetensorsBytes.File(header, dataBytes)))));
        return Judged(rule, bytes);
    }

    public override FuzzSubject Open(string directory) => new Subject(directory);

    public static FuzzInput Judged(string rule, byte[] bytes)
    {
        var content = SafetensorsOracle.Read(bytes);
        return new FuzzInput(rule, content is null ? Expectation.Refuse : Expectation.Accept, new FuzzFile(FileName, bytes))
        {
            Meaning =
            content
        };
    }

    /// <summary>An edit replaces one token of the header (a string, a number, or a mark) or is put before it.</summary>
    private static string Edited(FuzzRandom random, string header)
    {
        for (int i = random.Between(1, 2); i > 0; i--)
        {
            int place = random.Below(header.Length);
            int end = place + 1;
            while (place > 0 && char.IsLetterOrDigit(header[place]) && char.IsLetterOrDigit(header[place - 1]))
            {
                place--;
            }
            while (end < header.Length && char.IsLetterOrDigit(header[place]) && char.IsLetterOrDigit(header[end]))
            {
                end++;
            }
            header = header[..place] + random.Pick(Tokens) + header[(random.OnceIn(2) ? place : end)..];
        }
        return header;
    }

    private static string WithFields(FuzzRandom random, string header)
    {
        var tree = JsonTree.Parse(header);
        for (int i = random.Below(3); i > 0; i--)
        {
            JsonEdits.Anywhere(random, tree);
        }
        return JsonEdits.Rewritten(random, tree);
    }

    /// <summary>Tensors one behind the other, some with gaps, overlaps, wrong sizes, wrong zeros or the name of another.</summary>
    private static byte[] Layout(FuzzRandom random)
    {
        var entries = new List<string>();
        int at = 0;
        for (int count = random.Below(6); count > 0; count--)
        {
            int size = random.Below(4), begin = at + (random.OnceIn(24) ? random.Between(-3, 3) : 0), end = begin + size * 2;
            string zero = random.OnceIn(30) ? random.Pick("-0", "0.0", "00", "0e0", "\"0\"") : "0";
            string name = random.OnceIn(30) ? "t0" : $"t{entries.Count}";
            entries.Add($$"""
                "{{name}}":{"dtype":"I16","shape":[{{Number(size)}}],"data_offsets":[{{Number(begin)}},{{Number(end + (random.OnceIn(30) ? random.Between(-2, 2) : 0))}}]}
                """);
            at = end;

            string Number(int value) => value == 0 ? zero : $"{value}";
        }
        random.Shuffle(entries);
        return SafetensorsBytes.File("{" + string.Join(",", entries) + "}",
            Math.Max(0, at + (random.OnceIn(12) ? random.Between(-2, 2) : 0)));
    }

    private static byte[] WithLength(FuzzRandom random, byte[] file)
    {
        ulong length = BitConverter.ToUInt64(file);
        ulong other = random.Pick<ulong>(0, length - 1, length + 1, (ulong)file.Length, (ulong)file.Length - 8, 1UL << 31, 1UL << 32,
            1UL << 63, ulong.MaxValue, 100_000_000, 100_000_001);
        return [.. BitConverter.GetBytes(other), .. file[8..]];
    }

    private sealed class Subject(string directory) : FuzzSubject(directory)
    {
        private readonly string _path = Path.Combine(directory, FileName);

        public override Reading Read(FuzzInput input)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            using var file = SafetensorsFile.Open(_path);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            return new Reading([], Difference(file, (SafetensorsContent?)input.Meaning) ?? (allocated < 64_000 + 100 * input.Length ? null
                : $"memory: {allocated} bytes for {input.Length}"));
        }

        private static string? Difference(SafetensorsFile file, SafetensorsContent? content)
        {
            if (content is null)
            {
                return null; // The expectation says already that it must be refused.
            }
            if (!file.Entries.Keys.Order().SequenceEqual(content.Tensors.Keys.Order()) || !file.Metadata.OrderBy(p => p.Key)
                .SequenceEqual(content.Metadata.OrderBy(p => p.Key)))
            {
                return "names or notes differ";
            }
            foreach (var (name, (label, bytes)) in content.Tensors)
            {
                var entry = file.Entries[name];
                if ($"{entry.DType} [{string.Join(",", entry.Shape)}]" != label || !file.Bytes(entry).SequenceEqual(bytes))
                {
                    return $"a tensor differs: {name}";
                }
            }
            return null;
        }
    }
}
