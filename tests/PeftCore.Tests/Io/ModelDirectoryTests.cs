using PeftCore.Io;

namespace PeftCore.Tests.Io;

public sealed class ModelDirectoryTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory()
    {
        _directory = new TemporaryDirectory();
        File.WriteAllText(_directory["config.json"], "{}");
    }

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void A_reference_model_opens()
    {
        var model = ModelDirectory.Open(TestFiles.Fixture("hf", "llama", "base"));
        using var weights = model.OpenWeights();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.OpenConfig().Int("hidden_size"), Is.EqualTo(32));
            Assert.That(model.OpenGenerationConfig(), Is.Not.Null);
            Assert.That(model.TokenizerPath, Is.Null);
            Assert.That(weights.Get("model.norm.weight").Shape, Is.EqualTo([32L]));
            Assert.That(weights.Get("lm_head.weight").Bytes.Length, Is.EqualTo(97 * 32 * 4));
            Assert.That(weights.TryGet("lm_head.bias", out _), Is.False);
            Assert.That(() => weights.Get("lm_head.bias"),
                Throws.TypeOf<BadInputException>().With.Message.Contains("\"lm_head.bias\" is missing"));
        }
    }

    [Test]
    public void Shards_read_as_one()
    {
        Shard("s1.safetensors", "a", "b");
        Shard("s2.safetensors", "c");
        Index("""{"metadata":{"total_size":3},"weight_map":{"a":"s1.safetensors","b":"s1.safetensors","c":"s2.safetensors"}}""");
        using var weights = ModelDirectory.Open(_directory.FullPath).OpenWeights();
        Assert.That(weights.Names.Select(n => weights.Get(n).Bytes[0]), Is.EquivalentTo("abc"u8.ToArray()));
        Assert.That((weights.Files.Count, weights.TotalBytes), Is.EqualTo((2, 3L)));
    }

    [TestCase("""{"weight_map":{"a":"../s1.safetensors"}}""", "expected the name of a .safetensors file beside the index")]
    [TestCase("""{"weight_map":{"a":"/etc/s1.safetensors"}}""", "expected the name of a .safetensors file beside the index")]
    [TestCase("""{"weight_map":{"a":"..\\s1.safetensors"}}""", "expected the name of a .safetensors file beside the index")]
    [TestCase("""{"weight_map":{"a":"config.json"}}""", "expected the name of a .safetensors file beside the index")]
    [TestCase("""{"weight_map":{"a":"\u0000.safetensors"}}""", "expected the name of a .safetensors file beside the index")]
    [TestCase("""{"weight_map":{"a":1}}""", "must name the file")]
    [TestCase("""{"weight_map":{"a":null}}""", "must name the file")]
    [TestCase("""{"weight_map":{}}""", "lists no tensors")]
    [TestCase("""{"weight_map":[]}""", "expected an object")]
    [TestCase("""{}""", "\"weight_map\" is missing")]
    [TestCase("""{"weight_map":{"a":"s1.safetensors","b":"s3.safetensors"}}""", "the shard s3.safetensors it names is missing")]
    [TestCase("""{"weight_map":{"a":"s1.safetensors","b":"s1.safetensors","x":"s1.safetensors"}}""", "\"x\" is not in s1.safetensors")]
    [TestCase("""{"weight_map":{"a":"s1.safetensors","a":"s2.safetensors"}}""",
        "field \"weight_map.a\" stands twice with different values")]
    public void A_lying_index_is_refused(string index, string reason)
    {
        Shard("s1.safetensors", "a", "b");
        Shard("s2.safetensors", "c");
        Index(index);
        Assert.That(() => ModelDirectory.Open(_directory.FullPath).OpenWeights(), Throws.TypeOf<BadInputException>()
            .With.Message.Contains(reason).And.Message.Contains("model.safetensors.index.json"));
    }

    [Test]
    public void A_directory_without_readable_weights_says_the_way_out()
    {
        Assert.That(() => ModelDirectory.Open(_directory.FullPath).OpenWeights(),
            Throws.TypeOf<BadInputException>().With.Message.Contains("has no weights"));
        File.WriteAllText(_directory["pytorch_model.bin"], "");
        Assert.That(() => ModelDirectory.Open(_directory.FullPath).OpenWeights(),
            Throws.TypeOf<BadInputException>().With.Message.Contains("pytorch_model.bin").And.Message.Contains("save_pretrained"));
    }

    [Test]
    public void What_is_no_model_directory_is_refused()
    {
        File.Delete(_directory["config.json"]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => ModelDirectory.Open(_directory["none"]),
                Throws.TypeOf<BadInputException>().With.Message.Contains("no such directory"));
            Assert.That(() => ModelDirectory.Open(_directory.FullPath),
                Throws.TypeOf<BadInputException>().With.Message.Contains("no config.json"));
            Assert.That(() => ModelDirectory.Open(TestFiles.Fixture("hf", "llama", "lora")),
                Throws.TypeOf<BadInputException>().With.Message.Contains("this is an adapter"));
            Assert.That(() => ModelDirectory.Open(TestFiles.Fixture("hf", "llama", "base", "config.json")),
                Throws.TypeOf<BadInputException>().With.Message.Contains("this is a file"));
        }
    }

    private void Shard(string file, params string[] names) =>
        SafetensorsWriter.Write(_directory[file], names.Select(n => new SafetensorsTensor(n, "U8", [1], new[] { (byte)n[0] })));

    private void Index(string json) => File.WriteAllText(_directory["model.safetensors.index.json"], json);
}
