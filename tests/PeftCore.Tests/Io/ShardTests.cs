using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Tests.Io;

/// <summary>Shards that differ from their index: their tensors are found, and differences cause a message.</summary>
public sealed class ShardTests
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
    public void A_tensor_that_the_index_gives_to_another_shard_is_read_from_where_it_is()
    {
        Shard("s1", ("a", 1), ("b", 2));
        Shard("s2", ("c", 3));
        Index(("a", "s1"), ("b", "s2"), ("c", "s1"));
        using var weights = Open();
        Assert.That(Values(weights), Is.EqualTo("a=1 b=2 c=3"));
        Assert.That(weights.Warnings, Has.Count.EqualTo(1).And.Exactly(1)
            .Contains("2 tensors lie in another shard than the index says").And.Contains(
            "\"b\" in s1.safetensors instead of s2.safetensors"));
    }

    [Test]
    public void A_tensor_that_the_index_does_not_list_is_there_and_named()
    {
        Shard("s1", ("a", 1), ("b", 2));
        Index(("a", "s1"));
        using var weights = Open();
        Assert.That(Values(weights), Is.EqualTo("a=1 b=2"));
        Assert.That(weights.Warnings, Has.Count.EqualTo(1).And.Exactly(1)
            .Contains("1 tensors are not in the index").And.Contains("\"b\" in s1.safetensors"));
    }

    [Test]
    public void Of_two_values_the_index_chooses_and_it_is_said()
    {
        Shard("s1", ("a", 1), ("b", 2));
        Shard("s2", ("c", 3), ("a", 4));
        Index(("a", "s1"), ("b", "s1"), ("c", "s2"));
        using var weights = Open();
        Assert.That(Values(weights), Is.EqualTo("a=1 b=2 c=3"));
        Assert.That(weights.Warnings, Has.Count.EqualTo(1).And.Exactly(1)
            .Contains("tensor \"a\" lies in s1.safetensors and with other values in s2.safetensors"));
    }

    [Test]
    public void Two_copies_are_one_tensor()
    {
        Shard("s1", ("a", 1));
        Shard("s2", ("c", 3), ("a", 1));
        Index(("a", "s1"), ("c", "s2"));
        using var weights = Open();
        Assert.That((Values(weights), weights.Warnings.Count), Is.EqualTo(("a=1 c=3", 0)));
    }

    [Test]
    public void Two_values_that_the_index_does_not_choose_between_are_refused()
    {
        Shard("s1", ("a", 1), ("x", 7));
        Shard("s2", ("c", 3), ("x", 8));
        Index(("a", "s1"), ("c", "s2"));
        Assert.That(Open,
            Throws.TypeOf<BadInputException>().With.Message.Contains(
            "tensor \"x\" has one value in s1.safetensors and another in s2.safetensors"));
    }

    [Test]
    public void A_single_file_counts_before_an_index_and_it_is_said()
    {
        Shard("s1", ("a", 1));
        Shard("model", ("a", 9));
        Index(("a", "s1"));
        using var weights = Open();
        Assert.That(Values(weights), Is.EqualTo("a=9"));
        Assert.That(weights.Warnings, Has.Count.EqualTo(1).And.Exactly(1).Contains("model.safetensors is read, and the index is ignored"));
    }

    [Test]
    public void A_wrong_total_size_does_not_matter()
    {
        Shard("s1", ("a", 1));
        File.WriteAllText(_directory["model.safetensors.index.json"],
            """{"metadata":{"total_size":-5},"weight_map":{"a":"s1.safetensors"}}""");
        using var weights = Open();
        Assert.That((Values(weights), weights.Warnings.Count), Is.EqualTo(("a=1", 0)));
    }

    [TestCase("pytorch_model.bin", "PyTorch", "save_pretrained")]
    [TestCase("pytorch_model-00001-of-00002.bin", "PyTorch", "save_pretrained")]
    [TestCase("consolidated.00.pth", "PyTorch", "safetensors.torch.save_file")]
    [TestCase("tf_model.h5", "TensorFlow", "from_tf=True")]
    [TestCase("flax_model.msgpack", "Flax", "from_flax=True")]
    [TestCase("consolidated.safetensors", "unknown name", "rename")]
    [TestCase("model-00001-of-00002.safetensors", "unknown name", "model.safetensors.index.json")]
    public void Weights_in_another_format_are_named_with_the_way_out(string file, string format, string wayOut)
    {
        File.WriteAllText(_directory[file], "");
        File.WriteAllText(_directory["training_args.bin"], "");
        Assert.That(Open, Throws.TypeOf<BadInputException>().With.Message.Contains(file).And.Message.Contains(format).And.Message.Contains(
            wayOut));
    }

    [TestCase("GGUF....", "GGUF")]
    [TestCase("version https://git-lfs.github.com/spec/v1", "git lfs pull")]
    [TestCase("PK\u0003\u0004....", "pickle")]
    [TestCase("<!DOCTYPE html>", "failed download")]
    public void A_file_that_is_something_else_under_the_name_is_told_what_it_is(string text, string what)
    {
        File.WriteAllText(_directory["model.safetensors"], text);
        Assert.That(Open, Throws.TypeOf<BadInputException>().With.Message.Contains("not a safetensors file").And.Message.Contains(what));
    }

    private WeightSource Open() => ModelDirectory.Open(_directory.FullPath).OpenWeights();

    private void Shard(string file, params (string Name, byte Value)[] tensors) =>
        SafetensorsWriter.Write(_directory[file + ".safetensors"],
            tensors.Select(t => new SafetensorsTensor(t.Name, "U8", [1], new[] { t.Value })));

    private void Index(params (string Tensor, string Shard)[] map) => File.WriteAllText(_directory["model.safetensors.index.json"],
        new JsonObject
        {
            ["weight_map"] =
            new JsonObject(map.Select(m => KeyValuePair.Create<string, JsonNode?>(m.Tensor, m.Shard + ".safetensors")))
        }.ToJsonString());

    private static string Values(WeightSource weights) =>
        string.Join(' ', weights.Names.Order(StringComparer.Ordinal).Select(name => $"{name}={weights.Get(name).Bytes[0]}"));
}
