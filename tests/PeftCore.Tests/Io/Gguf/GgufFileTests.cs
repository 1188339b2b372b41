using PeftCore.Io.Gguf;
using PeftCore.Models;

namespace PeftCore.Tests.Io.Gguf;

/// <summary>The header of GGUF files: what is read, and the sentence for each damage.</summary>
public sealed class GgufFileTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void Open() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Close() => _directory.Dispose();

    [TestCase(2u)]
    [TestCase(3u)]
    public void Values_and_tensors_of_a_file_are_found(uint version)
    {
        using var file = Read(new GgufBytes { Version = version, Alignment = 64 }
            .Value("general.alignment", 64).Value("general.architecture", "llama").Value("half", 6, BitConverter.GetBytes(0.5f))
            .Value("small", 1, 0xFE).Value("yes", 7, 1).Value("long", 10, BitConverter.GetBytes(1UL << 40))
            .Value("texts", 9, [8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, (byte)'a', 0, 0, 0, 0, 0, 0, 0, 0])
            .Value("list", 9, [5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF])
            .Tensor("a", 0, [3, 2], [.. Enumerable.Range(0, 24).Select(i => (byte)i)]).Tensor("s", 1, [], [1, 2]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(file.Get("general.architecture").Text, Is.EqualTo("llama"));
            Assert.That(file.Get("half").Number, Is.EqualTo(0.5));
            Assert.That(file.Get("small").Integer, Is.EqualTo(-2));
            Assert.That(file.Get("yes").Bool, Is.True);
            Assert.That(file.Get("long").Integer, Is.EqualTo(1L << 40));
            Assert.That(file.Get("texts").Texts, Is.EqualTo(new[] { "a", "" }));
            Assert.That(file.Get("list").Integers, Is.EqualTo(new[] { -1L }));
            Assert.That(file.Tensors["a"].Shape, Is.EqualTo(new[] { 2L, 3L }));
            Assert.That(file.Tensors["a"].Offset % 64, Is.Zero);
            Assert.That(file.Bytes.Span(file.Tensors["a"].Offset, 24)[23], Is.EqualTo(23));
            Assert.That((file.Tensors["s"].Count, file.Tensors["s"].Type.Name), Is.EqualTo((1L, "F16")));
        }
        Assert.That(() => file.Get("half").Integer, Throws.TypeOf<BadInputException>().With.Message.Contains("expected an integer"));
        Assert.That(() => file.Get("none"), Throws.TypeOf<BadInputException>().With.Message.Contains("lack \"none\""));
    }

    [Test]
    public void Every_damage_has_its_sentence()
    {
        byte[] four = new byte[4];
        Refused(new GgufBytes { Version = 1 }, "the version is 1");
        Refused(new GgufBytes { Version = 0x03000000 }, "big-endian");
        Refused(new GgufBytes { ValueCount = 1UL << 60 }, "the number of metadata values is 1152921504606846976");
        Refused(new GgufBytes { TensorCount = ulong.MaxValue }, "the number of tensors is 18446744073709551615");
        Refused(new GgufBytes().Value("k", 13, []), "unknown type 13");
        Refused(new GgufBytes().Value("k", 9, [9, 0, 0, 0]), "list of lists");
        Refused(new GgufBytes().Value("k", 8, [255, 255, 255, 255, 255, 255, 255, 127, 0]), "the length of the value of \"k\"");
        Refused(new GgufBytes().Value("k", 9, [4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]), "the number of elements of \"k\"");
        Refused(new GgufBytes().Value("k", 1).Value("k", 1), "\"k\" stands twice");
        Refused(new GgufBytes().Value("general.alignment", 48), "expected a power of two");
        Refused(new GgufBytes().Tensor("t", 0, [1], four).Tensor("t", 0, [1], four), "\"t\" stands twice");
        Refused(new GgufBytes().Tensor("t", 99, [1], four), "unknown type 99");
        Refused(new GgufBytes().Tensor("t", 0, [1, 1, 1, 1, 1], four), "has 5 axes");
        Refused(new GgufBytes().Tensor("t", 12, [255], four), "no whole blocks of 256 (Q4_K)");
        Refused(new GgufBytes().Tensor("t", 0, [1L << 62, 1L << 62], four), "more than the file holds");
        Refused(new GgufBytes().Tensor("t", 0, [20], four), "the file is cut off");
        Refused(new GgufBytes().Tensor("t", 0, [1], four, offset: 1), "no multiple of the alignment 32");
        Refused(new GgufBytes().Tensor("t", 0, [1], four, offset: 1UL << 62), "the file is cut off");
        File.WriteAllBytes(_directory["x.gguf"], [.. "GGML"u8, .. new byte[60]]);
        Assert.That(() => GgufFile.Open(_directory["x.gguf"]), Throws.TypeOf<BadInputException>().With.Message.Contains("not a GGUF file"));
        File.WriteAllBytes(_directory["x.gguf"], [.. "GGUF"u8]);
        Assert.That(() => GgufFile.Open(_directory["x.gguf"]), Throws.TypeOf<BadInputException>().With.Message.Contains("too few"));
    }

    [Test]
    public void A_file_that_is_cut_off_or_damaged_anywhere_is_read_or_refused_with_a_sentence()
    {
        string path = _directory["m.gguf"];
        ModelWriter.ExportGguf(TestFiles.Fixture("hf", "llama", "base"), path);
        byte[] whole = File.ReadAllBytes(path);
        int header = 0;
        using (var file = Read(whole))
        {
            header = (int)file.Tensors.Values.Min(tensor => tensor.Offset);
        }
        var random = new Random(11);
        for (int trial = 0; trial < 3000; trial++)
        {
            byte[] bytes = trial < 600 ? whole[..random.Next(whole.Length)] : (byte[])whole.Clone();
            for (int i = 0; trial >= 600 && i <= trial % 4; i++)
            {
                bytes[random.Next(header)] = trial % 2 == 0 ? (byte)random.Next(256) : (byte)(255 * random.Next(2));
            }
            File.WriteAllBytes(path, bytes);
            try
            {
                ModelLoader.Declare(new GgufModel(path) is var model ? PeftCore.Io.ConfigReader.Of(model.Config(), path) : null!);
                using var weights = model.OpenWeights();
                foreach (string name in weights.Names.ToArray())
                {
                    _ = weights.Get(name).Bytes.Length;
                }
                model.OpenTokenizer();
            }
            catch (BadInputException e)
            {
                Assert.That(e.Message, Does.Contain("m.gguf"), $"trial {trial}");
            }
        }
    }

    private void Refused(GgufBytes file, string sentence)
    {
        File.WriteAllBytes(_directory["x.gguf"], file.ToArray());
        Assert.That(() => GgufFile.Open(_directory["x.gguf"]).Dispose(), Throws.TypeOf<BadInputException>().With.Message.Contains("x.gguf")
            .And.Message.Contains(sentence));
    }

    private GgufFile Read(GgufBytes file) => Read(file.ToArray());

    private GgufFile Read(byte[] bytes)
    {
        File.WriteAllBytes(_directory["x.gguf"], bytes);
        return GgufFile.Open(_directory["x.gguf"]);
    }
}
