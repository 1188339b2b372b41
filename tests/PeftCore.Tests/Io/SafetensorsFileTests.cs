using PeftCore.Io;

namespace PeftCore.Tests.Io;

public sealed class SafetensorsFileTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void A_valid_file_gives_its_entries_metadata_and_bytes()
    {
        using var file = SafetensorsFile.Open(Save(SafetensorsBytes.File(SafetensorsBytes.TwoTensors, 19)));
        SafetensorsEntry a = file.Entries["a"], b = file.Entries["b"];
        byte[] copy = new byte[2];
        file.CopyTo(b, copy, offset: 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(file.Metadata["format"], Is.EqualTo("pt"));
            Assert.That(file.Entries.Keys, Is.EquivalentTo(["a", "b"]));
            Assert.That((a.DType, a.Offset, a.Length), Is.EqualTo(("F32", 0L, 16L)));
            Assert.That(a.Shape, Is.EqualTo([2L, 2L]));
            Assert.That(file.Bytes(b).ToArray(), Is.EqualTo(new byte[] { 112, 119, 126 }));
            Assert.That(file.Span(a, 15, 1)[0], Is.EqualTo((byte)105));
            Assert.That(copy, Is.EqualTo(new byte[] { 119, 126 }));
        }
    }

    [Test]
    public void Bytes_of_a_source_outlive_it_and_are_refused_after_it()
    {
        var source = WeightSource.OpenFile(Save(SafetensorsBytes.File(SafetensorsBytes.TwoTensors, 19)));
        var entry = source.Get("b");
        var bytes = entry.Bytes;
        source.Dispose();
        Assert.That(bytes.ToArray(), Is.EqualTo(new byte[] { 112, 119, 126 }));
        Assert.That(() => entry.Bytes.Length, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Scalars_and_empty_tensors_are_valid()
    {
        const string header =
            """{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"I64","shape":[0,5],"data_offsets":[4,4]}}   """;
        using var file = SafetensorsFile.Open(Save(SafetensorsBytes.File(header, 4)));
        Assert.That((file.Bytes(file.Entries["s"]).Length, file.Bytes(file.Entries["e"]).Length), Is.EqualTo((4, 0)));
    }

    [TestCase("", 0, "does not begin with '{'")]
    [TestCase("[]", 0, "does not begin with '{'")]
    [TestCase("{", 0, "not valid JSON")]
    [TestCase("{}", 1, "end at byte 0 of the data section, but it has 1")]
    [TestCase("{} {}", 0, "not valid JSON")]
    [TestCase("""{"a":1}""", 0, "is \"1\", expected an object")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "data_offsets is missing")]
    [TestCase("""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "shape is missing")]
    [TestCase("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "dtype is missing")]
    [TestCase("""{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown dtype \"F31\"")]
    [TestCase("""{"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}}""", 4, "expected a string")]
    [TestCase("""{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", 4, "expected a list of integers")]
    [TestCase("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "shape holds \"-1\"")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}""", 4, "shape holds \"1.0\"")]
    [TestCase("""{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}""", 4, "shape holds a list")]
    [TestCase("""{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}""", 4, "shape holds")]
    [TestCase("""{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}""", 4, "more elements than any file")]
    [TestCase("""{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}""", 0, "more elements than any file")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "has 3 numbers")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "before its begin")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}""", 8, "span 8 bytes, but F32 [1] needs 4")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "the file has only 3 data bytes")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807]}}""", 4, "the file has only 4")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "but it has 5 bytes")]
    [TestCase("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""", 6,
        "inside another")]
    [TestCase("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4,
        "inside another")]
    [TestCase("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}""", 6,
        "a hole after 2")]
    [TestCase("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""", 4,
        "stands twice")]
    [TestCase("""{"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 2, "dtype stands twice")]
    [TestCase("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"extra":1}}""", 2, "unknown header field \"extra\"")]
    [TestCase("""{"__metadata__":1}""", 0, "expected an object of strings")]
    [TestCase("""{"__metadata__":{"a":1}}""", 0, "expected a string")]
    [TestCase("""{"__metadata__":{"a":"1","a":"2"}}""", 0, "stands twice")]
    [TestCase("""{"__metadata__":{},"__metadata__":{}}""", 0, "stands twice")]
    [TestCase("""{"\ud800":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 2, "not valid JSON")]
    public void A_lying_header_is_refused_with_the_reason(string header, int dataBytes, string reason)
    {
        string path = Save(SafetensorsBytes.File(header, dataBytes));
        Assert.That(() => SafetensorsFile.Open(path), Throws.TypeOf<BadInputException>()
            .With.Message.StartsWith(path).And.Message.Contains(reason).And.Message.EndsWith("."));
    }

    [Test]
    public void A_header_that_claims_more_bytes_than_the_file_has_is_refused()
    {
        byte[] file = SafetensorsBytes.File(SafetensorsBytes.TwoTensors, 19);
        foreach (ulong claim in new ulong[] { (ulong)file.Length - 7, 100_000_000, 100_000_001, long.MaxValue, ulong.MaxValue })
        {
            BitConverter.TryWriteBytes(file, claim);
            Assert.That(() => SafetensorsFile.Open(Save(file)),
                Throws.TypeOf<BadInputException>().With.Message.Contains($"claims {claim}"));
        }
    }

    [Test]
    public void Nested_brackets_and_broken_utf8_are_refused()
    {
        byte[] broken = [.. """{"a"""u8, 0xC3, (byte)'"', (byte)'}'];
        Assert.That(() => SafetensorsFile.Open(Save(SafetensorsBytes.File(broken, 0))),
            Throws.TypeOf<BadInputException>().With.Message.Contains("UTF-8"));
        string bomb = """{"a":{"shape":""" + new string('[', 1_000_000);
        Assert.That(() => SafetensorsFile.Open(Save(SafetensorsBytes.File(bomb, 0))), Throws.TypeOf<BadInputException>());
    }

    [Test]
    public void Files_that_are_missing_empty_short_or_directories_are_refused()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => SafetensorsFile.Open(_directory["none"]),
                Throws.TypeOf<BadInputException>().With.Message.Contains("no such file"));
            Assert.That(() => SafetensorsFile.Open(Save([])), Throws.TypeOf<BadInputException>().With.Message.Contains("0 bytes"));
            Assert.That(() => SafetensorsFile.Open(Save([1, 2, 3])), Throws.TypeOf<BadInputException>().With.Message.Contains("3 bytes"));
            Assert.That(() => SafetensorsFile.Open(_directory.FullPath), Throws.TypeOf<BadInputException>());
        }
    }

    [Test]
    public void A_symbolic_link_is_followed()
    {
        string path = Save(SafetensorsBytes.File(SafetensorsBytes.TwoTensors, 19));
        File.CreateSymbolicLink(_directory["link"], path);
        using var file = SafetensorsFile.Open(_directory["link"]);
        Assert.That(file.Entries, Has.Count.EqualTo(2));
    }

    [Test]
    public void Views_stay_inside_their_tensor_and_end_with_the_file()
    {
        var file = SafetensorsFile.Open(Save(SafetensorsBytes.File(SafetensorsBytes.TwoTensors, 19)));
        var b = file.Entries["b"];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => file.Span(b, 1, 3).Length, Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => file.Span(b, -1, 1).Length, Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => file.Bytes(b with { Offset = 17 }).Length, Throws.InstanceOf<ArgumentException>());
            file.Dispose();
            Assert.That(() => file.Bytes(b).Length, Throws.InstanceOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void Every_fixture_opens()
    {
        string[] files = Directory.GetFiles(TestFiles.Fixture(), "*.safetensors", SearchOption.AllDirectories);
        Assert.That(files, Is.Not.Empty);
        foreach (string path in files)
        {
            using var file = SafetensorsFile.Open(path);
            Assert.That(file.Entries.Values.Sum(e => e.Length), Is.EqualTo(file.DataLength), path);
        }
    }

    private string Save(byte[] bytes)
    {
        string path = _directory["file.safetensors"];
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
