using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace PeftCore.Extensions.AI.Tests.Embeddings;

/// <summary>Directories as Sentence Transformers writes them: their modules, prompts and lengths.</summary>
public sealed class SentenceModulesTests
{
    private const string Transformer = """{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}""";
    private const string Pooling = """{"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}""";
    private const string Normalize = """{"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}""";
    private const string Dense = """{"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}""";
    private const string Text = "a truly dreadful evening";

    private static int _count;

    private TemporaryDirectory _folder = null!;

    [OneTimeSetUp]
    public void MakeFolder() => _folder = new TemporaryDirectory();

    [OneTimeTearDown]
    public void RemoveFolder() => _folder.Dispose();

    [Test]
    public async Task Pooling_and_normalisation_are_those_of_the_directory()
    {
        float[] cls = await Embed(Of(Own("cls")));
        double length = Math.Sqrt(cls.Sum(x => (double)x * x));

        float[] vector = await Embed(Make([Transformer, Pooling, Normalize],
            ("1_Pooling/config.json", """{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}""")));

        Assert.That(vector, Is.EqualTo(cls.Select(x => (float)(x / length))).Within(1e-6f));
    }

    [TestCase("""{"pooling_mode": "mean"}""", "mean")]
    [TestCase("""{"word_embedding_dimension": 192, "pooling_mode_lasttoken": true, "include_prompt": true}""", "lasttoken")]
    [TestCase("""{"embedding_dimension": 192}""", "mean")]
    public async Task Both_forms_of_the_pooling_file_are_read(string file, string pooling) =>
        Assert.That(await Embed(Make([Transformer, Pooling], ("1_Pooling/config.json", file))), Is.EqualTo(await Embed(Of(Own(pooling)))));

    [Test]
    public async Task Several_poolings_are_joined()
    {
        float[] vector = await Embed(Make([Transformer, Pooling],
            ("1_Pooling/config.json", """{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}""")));

        Assert.That(vector, Is.EqualTo((await Embed(Of(Own("cls")))).Concat(await Embed(Of(Own("mean"))))));
    }

    [TestCase("torch.nn.modules.linear.Identity", 0, 1)]
    [TestCase("torch.nn.modules.activation.Tanh", 0.25, 1)]
    [TestCase("torch.nn.modules.activation.ReLU", -0.5, -1)]
    public async Task A_dense_layer_comes_after_the_pooling(string activation, double bias, double weight)
    {
        float[] mean = await Embed(Of(Own("mean")));
        string directory = Make([Transformer, Pooling, Dense], ("1_Pooling/config.json", """{"pooling_mode": "mean"}"""),
            ("2_Dense/config.json", $$"""{"in_features": 192, "out_features": 2, "activation_function": "{{activation}}"}"""));
        float[] weights = new float[2 * 192]; // The second output is the third element, the first is the first by a weight.
        (weights[0], weights[192 + 2]) = ((float)weight, 1);
        WriteSafetensors(Path.Combine(directory, "2_Dense", "model.safetensors"), ("linear.weight", [2, 192], weights),
            ("linear.bias", [2], [(float)bias, 0]));

        float[] vector = await Embed(directory);

        double[] linear = [weight * mean[0] + bias, mean[2]];
        Assert.That(vector, Is.EqualTo(linear.Select(x => (float)(activation.EndsWith("Tanh", StringComparison.Ordinal) ? Math.Tanh(x)
            : activation.EndsWith("ReLU", StringComparison.Ordinal) ? Math.Max(0, x) : x))).Within(1e-6f));
    }

    [TestCase("""{"in_features": 5, "out_features": 2}""", "in_features is 5, but the module before it gives 192")]
    [TestCase("""{"in_features": 192, "out_features": 2, "activation_function": "torch.nn.GELU"}""", "activation_function is \"torch.nn.GELU\"")]
    [TestCase("""{"in_features": 192, "out_features": 2}""", "has no model.safetensors")]
    [TestCase("""{"in_features": 192, "out_features": 2, "module_input_name": "token_embeddings"}""", "module_input_name")]
    public void A_dense_layer_that_is_not_known_is_refused(string config, string message) => Assert.That(
        () => Load(Make([Transformer, Dense], ("2_Dense/config.json", config))).Dispose(),
        Throws.TypeOf<BadInputException>().With.Message.Contains(message));

    [Test]
    public async Task An_option_overrides_the_directory()
    {
        string directory = Make([Transformer, Pooling, Normalize], ("1_Pooling/config.json", """{"pooling_mode": "cls"}"""));
        var options = Own("max");
        (options.ModelDirectory, options.Normalize) = (directory, false);

        Assert.That(await Embed(Of(options)), Is.EqualTo(await Embed(Of(Own("max")))));
    }

    [Test]
    public async Task A_prompt_comes_before_the_text_and_may_be_left_out_of_the_pooling()
    {
        const string prompts = """{"prompts": {"query": "query : ", "document": ""}, "default_prompt_name": "query"}""";
        string directory = Make([Transformer, Pooling], ("1_Pooling/config.json", """{"pooling_mode": "mean"}"""),
            ("config_sentence_transformers.json", prompts));
        string without = Make([Transformer, Pooling], ("1_Pooling/config.json", """{"pooling_mode": "mean", "include_prompt": false}"""),
            ("config_sentence_transformers.json", prompts));
        var plain = Of(Own("mean"));

        Assert.That(await Embed(Load(directory)), Is.EqualTo(await Embed(plain, "query : " + Text)));
        Assert.That(await Embed(Load(directory), Text, ("prompt_name", "document")), Is.EqualTo(await Embed(plain)));
        Assert.That(await Embed(Load(directory), Text, ("prompt", "so : ")), Is.EqualTo(await Embed(plain, "so : " + Text)));
        Assert.That(await Embed(Load(without)), Is.Not.EqualTo(await Embed(Load(directory))));
        Assert.That(await Embed(Load(without), Text, ("prompt_name", "document")), Is.EqualTo(await Embed(plain)));
    }

    [Test]
    public async Task Lower_case_and_maximum_length_are_those_of_the_directory()
    {
        string directory = Make([Transformer, Pooling], ("1_Pooling/config.json", """{"pooling_mode": "mean"}"""),
            ("sentence_bert_config.json", """{"max_seq_length": 6, "do_lower_case": true}"""));

        Assert.That(await Embed(Load(directory), "A FILM"), Is.EqualTo(await Embed(Of(Own("mean")), "a film")));
        Assert.That(async () => await Embed(Load(directory), "a b c d e"),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the model reads 6"));
    }

    [TestCase("""{"path": "2_Dense", "type": "sentence_transformers.models.LSTM"}""", "{}",
        "sentence_transformers.models.LSTM is not supported")]
    [TestCase("""{"path": "2_Own", "type": "mine.Normalize"}""", "{}", "mine.Normalize is not supported")]
    [TestCase(Normalize, """{"pooling_mode": "sum"}""", "pooling_mode is \"sum\", expected cls, max, mean")]
    [TestCase(Normalize, """{"word_embedding_dimension": 3}""", "embedding_dimension is 3, but the model's hidden states have 192")]
    [TestCase(Normalize, """{"pooling_mode_median_tokens": true}""", "pooling_mode_median_tokens is not supported")]
    [TestCase("""{"path": 3}""", "{}", "a module has no type")]
    public void What_is_not_known_is_refused_by_name(string module, string pooling, string message) =>
        Assert.That(() => Load(Make([Transformer, Pooling, module], ("1_Pooling/config.json", pooling))).Dispose(),
            Throws.TypeOf<BadInputException>().With.Message.Contains(message));

    [TestCase("""{"query_length": 32}""", "query_length is not supported")]
    [TestCase("""{"transformer_task": "fill-mask"}""", "transformer_task is \"fill-mask\", expected \"feature-extraction\"")]
    public void A_transformer_that_reads_texts_otherwise_is_refused(string config, string message) =>
        Assert.That(() => Load(Make([Transformer], ("sentence_bert_config.json", config))).Dispose(),
            Throws.TypeOf<BadInputException>().With.Message.Contains(message));

    private string Make(string[] modules, params IEnumerable<(string Path, string Json)> files) => TestModels.Copy(TestModels.Bert,
        _folder[Interlocked.Increment(ref _count).ToString(CultureInfo.InvariantCulture)],
        files.Prepend(("modules.json", $"[{string.Join(", ", modules)}]")));

    /// <summary>Writes F32 tensors: the length of a header in JSON, the header, and their bytes.</summary>
    private static void WriteSafetensors(string path, params (string Name, int[] Shape, float[] Values)[] tensors)
    {
        var header = new JsonObject();
        int at = 0;
        foreach (var (name, shape, values) in tensors)
        {
            header[name] = new JsonObject
            {
                ["dtype"] = "F32",
                ["shape"] = new JsonArray([.. shape.Select(extent => (JsonNode)extent)]),
                ["data_offsets"] = new JsonArray(at, at += 4 * values.Length),
            };
        }
        using var file = new BinaryWriter(File.Create(path));
        byte[] json = Encoding.UTF8.GetBytes(header.ToJsonString());
        file.Write((long)json.Length);
        file.Write(json);
        tensors.SelectMany(tensor => tensor.Values).ToList().ForEach(file.Write);
    }

    private static PeftCoreEmbeddingOptions Own(string pooling) => new() { ModelDirectory = TestModels.Bert, Pooling = pooling };

    private static PeftCoreEmbeddingGenerator Of(PeftCoreEmbeddingOptions options) => PeftCoreEmbeddingGenerator.Load(options);

    private static PeftCoreEmbeddingGenerator Load(string directory) => PeftCoreEmbeddingGenerator.FromDirectory(directory);

    private static Task<float[]> Embed(string directory) => Embed(Load(directory));

    private static async Task<float[]> Embed(PeftCoreEmbeddingGenerator generator, string text = Text,
        params (string Name, string Value)[] properties)
    {
        var options = new EmbeddingGenerationOptions { AdditionalProperties = [] };
        foreach (var (name, value) in properties)
        {
            options.AdditionalProperties[name] = value;
        }
        return (await generator.GenerateVectorAsync(text, options)).ToArray();
    }
}
