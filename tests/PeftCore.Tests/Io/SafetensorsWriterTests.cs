using FsCheck;
using FsCheck.Fluent;
using PeftCore.Io;

namespace PeftCore.Tests.Io;

public sealed class SafetensorsWriterTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [TestCase("hf/llama/base/model.safetensors")]
    [TestCase("hf/llama/lora/adapter_model.safetensors")]
    [TestCase("hf/gpt2/lora_trainable_tokens/adapter_model.safetensors")]
    [TestCase("runs/llama-lora-all/expected.safetensors")]
    public void Rewriting_a_reference_file_gives_the_same_bytes(string fixture)
    {
        string path = TestFiles.Fixture(fixture.Split('/'));
        using (var file = SafetensorsFile.Open(path))
        {
            // Shuffled, so that the order in the file is that of the writer.
            SafetensorsEntry[] entries = [.. file.Entries.Values];
            new Random(3).Shuffle(entries);
            SafetensorsWriter.Write(_directory["copy"],
                entries.Select(e => new SafetensorsTensor(e.Name, e.DType, e.Shape, s => s.Write(file.Bytes(e)))), file.Metadata);
        }
        Assert.That(File.ReadAllBytes(_directory["copy"]), Is.EqualTo(File.ReadAllBytes(path)));
    }

    [Test]
    public void Whatever_is_written_reads_back_the_same()
    {
        string[] types = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "U16", "U32", "U64", "F8_E4M3", "F8_E5M2",
            "F8_E8M0", "C64"];
        Gen<(string Name, string DType, long[] Shape)[]> tensors =
            from names in ArbMap.Default.GeneratorFor<NonNull<string>>().Select(n => Valid(n.Get)).ArrayOf()
            from rows in (from type in Gen.Elements(types)
                          from shape in Gen.Choose(0, 4).Select(v => (long)v)
                .ArrayOf()
                          select (type, shape)).ArrayOf(50)
            select names.Distinct().Take(50).Select((n, i) => (n, rows[i].type, rows[i].shape[..Math.Min(4, rows[i].shape.Length)]))
            .ToArray();
        Prop.ForAll(tensors.ToArbitrary(), RoundTrips).Check(Config.QuickThrowOnFailure.WithMaxTest(150).WithReplay(5, 11));
    }

    [Test]
    public void The_data_begin_on_a_multiple_of_eight()
    {
        for (int length = 1; length < 20; length++)
        {
            SafetensorsWriter.Write(_directory["f"], [new SafetensorsTensor(new string('x', length), "U8", [3], new byte[3])]);
            Assert.That(BitConverter.ToInt64(File.ReadAllBytes(_directory["f"])) % 8, Is.Zero);
        }
    }

    [Test]
    public void Names_that_stand_twice_or_are_reserved_are_refused()
    {
        SafetensorsTensor Named(string name) => new(name, "U8", [1], new byte[1]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => SafetensorsWriter.Write(_directory["f"], [Named("a"), Named("a")]), Throws.ArgumentException);
            Assert.That(() => SafetensorsWriter.Write(_directory["f"], [Named("__metadata__")]), Throws.ArgumentException);
            Assert.That(() => new SafetensorsTensor("a", "F31", [1], new byte[4]), Throws.ArgumentException);
            Assert.That(() => new SafetensorsTensor("a", "F32", [-1], new byte[4]), Throws.ArgumentException);
            Assert.That(Directory.GetFileSystemEntries(_directory.FullPath), Is.Empty);
        }
    }

    [Test]
    public void A_tensor_that_writes_too_few_bytes_leaves_the_old_file()
    {
        File.WriteAllText(_directory["f"], "old");
        Assert.That(() => SafetensorsWriter.Write(_directory["f"], [new SafetensorsTensor("a", "F32", [2], new byte[4])]),
            Throws.InvalidOperationException.With.Message.Contains("wrote 4 bytes, but its dtype and shape need 8"));
        Assert.That(File.ReadAllText(_directory["f"]), Is.EqualTo("old"));
    }

    private bool RoundTrips((string Name, string DType, long[] Shape)[] tensors)
    {
        var random = new Random(tensors.Length);
        var bytes = new Dictionary<string, byte[]>();
        foreach ((string name, string dtype, long[] shape) in tensors)
        {
            SafetensorsDType.TryGetSize(dtype, out int size);
            Assert.That(SafetensorsDType.TryGetByteLength(shape, size, out long length));
            random.NextBytes(bytes[name] = new byte[length]);
        }
        SafetensorsWriter.Write(_directory["f"], tensors.Select(t => new SafetensorsTensor(t.Name, t.DType, t.Shape, bytes[t.Name])));
        using var file = SafetensorsFile.Open(_directory["f"]);
        return file.Entries.Count == tensors.Length && tensors.All(t => file.Entries[t.Name] is var e && e.DType == t.DType
            && e.Shape.SequenceEqual(t.Shape) && file.Bytes(e).SequenceEqual(bytes[t.Name]));
    }

    // Half a surrogate pair is no text and cannot be a name.
    private static string Valid(string name) => name == "__metadata__" ? "" : new string([.. name.Where(c => !char.IsSurrogate(c))]);
}
