using System.Text;
using FsCheck;
using FsCheck.Fluent;
using PeftCore.Io;

namespace PeftCore.Tests.Io;

/// <summary>Thousands of broken files: none may crash, over-allocate, or be judged otherwise than by the oracle.</summary>
public sealed class SafetensorsFuzzTests
{
    private static readonly string[] Headers =
    [
        SafetensorsBytes.TwoTensors,
        """{"w":{"dtype":"BF16","shape":[3,2],"data_offsets":[0,12]},"s":{"dtype":"F32","shape":[],"data_offsets":[12,16]},"e":{"dtype":"I64","shape":[0],"data_offsets":[16,16]}}""",
        """{"h":{"dtype":"BOOL","shape":[1,1,3],"data_offsets":[0,3]},"__metadata__":{"x":"\u00e9","y":""},"f":{"dtype":"F8_E4M3","shape":[5],"data_offsets":[3,8]}}  """,
    ];

    private static readonly int[] DataBytes = [19, 16, 8];

    // What a liar writes in place of a number, a name or a bracket.
    private static readonly string[] Tokens =
    [
        "0", "1", "-1", "-0", "2", "3", "4", "16", "19", "1.0", "1e1", "00", "9223372036854775807", "9223372036854775808", "18446744073709551616",
        "4294967296", "null", "true", "\"\"", "\"a\"", "\"b\"", "\"F32\"", "\"U8\"", "\"f32\"", "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"",
        "{", "}", "[", "]", ",", ":", "{}", "[]", "[[[[[[[[", "\"\\ud800\"", "\"\\u0061\"", " ", "\n", "\0", "é", "[0,16]", "[16,19]", "[2,2]",
    ];

    private readonly TemporaryDirectory _directory = new();

    [OneTimeTearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void Files_with_flipped_bits_and_cut_ends_are_judged_as_the_format_says() => Check(
        from which in Gen.Choose(0, Headers.Length - 1)
        from flips in Gen.Choose(0, 1 << 14).ArrayOf(3)
        from count in Gen.Choose(0, 3)
        from cut in Gen.Frequency((3, Gen.Constant(0)), (1, Gen.Choose(-9, 400)))
        select Flip(Valid(which), flips[..count], cut));

    [Test]
    public void Files_with_edited_headers_are_judged_as_the_format_says() => Check(
        from which in Gen.Choose(0, Headers.Length - 1)
        from edits in (from at in Gen.Choose(0, 1 << 14) from token in Gen.Elements(Tokens) select (at, token)).ArrayOf(2)
        from count in Gen.Choose(1, 2)
        select SafetensorsBytes.File(Edit(Headers[which], edits[..count]), DataBytes[which]));

    [Test]
    public void Files_whose_layout_has_gaps_and_overlaps_are_judged_as_the_format_says() => Check(
        from tensors in (
            from size in Gen.Choose(0, 3)
            from gap in Gen.Frequency((12, Gen.Constant(0)), (1, Gen.Choose(-3, 3)))
            from stretch in Gen.Frequency((20, Gen.Constant(0)), (1, Gen.Choose(-2, 2)))
            from zero in Gen.Frequency((20, Gen.Constant("0")), (1, Gen.Elements("-0", "0.0", "00", "0e0", "\"0\"")))
            from twin in Gen.Frequency((20, Gen.Constant(false)), (1, Gen.Constant(true)))
            select (size, gap, stretch, zero, twin)).ArrayOf(4)
        from order in Gen.Choose(0, 3)
        from more in Gen.Frequency((6, Gen.Constant(0)), (1, Gen.Choose(-2, 2)))
        select Layout(tensors, order, more));

    [Test]
    public void The_unedited_files_are_accepted()
    {
        for (int i = 0; i < Headers.Length; i++)
            Assert.That(SafetensorsOracle.Accepts(Valid(i)) && Opens(Valid(i)), Headers[i]);
    }

    private void Check(Gen<byte[]> files)
    {
        int accepted = 0;
        Prop.ForAll(files.ToArbitrary(), file =>
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            bool opens = Opens(file);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            accepted += opens ? 1 : 0;
            return opens == SafetensorsOracle.Accepts(file) && allocated < 64_000 + 100 * file.Length;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000).WithReplay(2, 17));
        Assert.That(accepted, Is.InRange(1, 1999), "the mutations should leave some files valid and break others");
    }

    private bool Opens(byte[] bytes)
    {
        string path = _directory["mutant.safetensors"];
        File.WriteAllBytes(path, bytes);
        try
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            foreach (SafetensorsEntry entry in file.Entries.Values)
                _ = file.Bytes(entry);
            return true;
        }
        catch (BadInputException e)
        {
            Assert.That(e.Message, Does.StartWith(path).And.EndsWith("."));
            return false;
        }
    }

    private static byte[] Valid(int which) => SafetensorsBytes.File(Headers[which], DataBytes[which]);

    private static byte[] Layout((int Size, int Gap, int Stretch, string Zero, bool Twin)[] tensors, int order, int more)
    {
        var entries = new List<string>();
        int at = 0;
        foreach ((int size, int gap, int stretch, string zero, bool twin) in tensors)
        {
            int begin = at + gap, end = begin + size * 2;
            string Number(int value) => value == 0 ? zero : $"{value}";
            entries.Add($$"""
                "t{{(twin ? 0 : entries.Count)}}":{"dtype":"I16","shape":[{{Number(size)}}],"data_offsets":[{{Number(begin)}},{{Number(end + stretch)}}]}
                """);
            at = end;
        }
        IEnumerable<string> turned = entries.Skip(order).Concat(entries.Take(order));
        return SafetensorsBytes.File("{" + string.Join(",", turned) + "}", Math.Max(0, at + more));
    }

    private static byte[] Flip(byte[] file, int[] bits, int cut)
    {
        foreach (int bit in bits)
            file[bit / 8 % file.Length] ^= (byte)(1 << (bit % 8));
        Array.Resize(ref file, Math.Max(0, file.Length - cut));
        return file;
    }

    // An edit replaces one token of the header (a string, a number, or a punctuation mark) or is put before it.
    private static string Edit(string header, (int At, string Token)[] edits)
    {
        foreach ((int at, string token) in edits)
        {
            int place = at / 2 % header.Length;
            int end = place + 1;
            while (place > 0 && char.IsLetterOrDigit(header[place]) && char.IsLetterOrDigit(header[place - 1]))
                place--;
            while (end < header.Length && char.IsLetterOrDigit(header[place]) && char.IsLetterOrDigit(header[end]))
                end++;
            bool insert = at % 2 == 0;
            header = new StringBuilder(header[..place]).Append(token).Append(header[(insert ? place : end)..]).ToString();
        }
        return header;
    }
}
