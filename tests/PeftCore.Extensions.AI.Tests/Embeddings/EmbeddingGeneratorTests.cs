using Microsoft.Extensions.AI;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Extensions.AI.Tests.Embeddings;

/// <summary>Embeddings of the small encoder and decoder, against the core's own poolings.</summary>
public sealed class EmbeddingGeneratorTests
{
    private static readonly string[] Texts = ["a good film", "a truly dreadful evening at the cinema , and far too long", "fine ."];

    private TemporaryDirectory _folder = null!;

    [OneTimeSetUp]
    public void MakeFolder() => _folder = new TemporaryDirectory();

    [OneTimeTearDown]
    public void RemoveFolder() => _folder.Dispose();

    [TestCase("mean", "mean")]
    [TestCase("cls", "cls")]
    [TestCase("lasttoken", "last")]
    public async Task Vectors_of_an_encoder_are_those_of_the_core_s_pooling(string pooling, string own)
    {
        using var generator = PeftCoreEmbeddingGenerator.Load(new PeftCoreEmbeddingOptions
        {
            ModelDirectory = TestModels.Bert,
            Pooling = pooling,
        });

        var embeddings = await generator.GenerateAsync(Texts);

        for (int i = 0; i < Texts.Length; i++)
        {
            Assert.That(embeddings[i].Vector.ToArray(), Is.EqualTo(OfCore(TestModels.Bert, Texts[i], own)).Within(1e-5f));
        }
    }

    [Test]
    public async Task A_decoder_s_vector_is_the_last_token_s_state_by_default()
    {
        using var generator = PeftCoreEmbeddingGenerator.FromDirectory(TestModels.Llama);

        var vector = await generator.GenerateVectorAsync(Texts[1]);

        Assert.That(vector.ToArray(), Is.EqualTo(OfCore(TestModels.Llama, Texts[1], "last")).Within(1e-5f));
    }

    [Test]
    public async Task The_model_of_a_chat_client_embeds_too()
    {
        using var model = PeftCoreModel.Load(TestModels.Chat());
        using var generator = new PeftCoreEmbeddingGenerator(model);

        var vector = await generator.GenerateVectorAsync(Texts[1]);

        Assert.That(vector.ToArray(), Is.EqualTo(OfCore(TestModels.Llama, Texts[1], "last")).Within(1e-5f));
    }

    [Test]
    public async Task Usage_counts_the_tokens_and_the_metadata_name_the_size()
    {
        using var generator = PeftCoreEmbeddingGenerator.FromDirectory(TestModels.Bert);
        var tokenizer = Tokenizer.FromDirectory(TestModels.Bert);

        var embeddings = await generator.GenerateAsync(Texts);

        Assert.That(embeddings.Usage!.InputTokenCount, Is.EqualTo(Texts.Sum(text => tokenizer.Encode(text).Length)));
        Assert.That(embeddings.Select(embedding => embedding.ModelId), Has.All.EqualTo("base-bert"));
        var metadata = generator.GetService<EmbeddingGeneratorMetadata>()!;
        Assert.That((metadata.DefaultModelDimensions, metadata.DefaultModelId, metadata.ProviderName),
            Is.EqualTo((embeddings[0].Dimensions, "base-bert", "peftcore")));
    }

    [Test]
    public async Task Adapters_are_chosen_by_model_id_from_parallel_calls()
    {
        string first = TestModels.SaveAdapter(_folder["first"], 1, TestModels.Bert, ModelTask.FeatureExtraction);
        string second = TestModels.SaveAdapter(_folder["second"], 2, TestModels.Bert, ModelTask.FeatureExtraction);
        using var generator = PeftCoreEmbeddingGenerator.Load(new PeftCoreEmbeddingOptions
        {
            ModelDirectory = TestModels.Bert,
            Adapters = { ["first"] = first, ["second"] = second },
        });
        string[] names = ["base-bert", "first", "second"];
        var alone = new Dictionary<string, float[]>();
        foreach (string name in names)
        {
            alone[name] = await Embed(name);
        }

        float[][] together = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => Task.Run(() => Embed(names[i % 3]))));

        Assert.That(alone.Values.Distinct(new Same()).Count(), Is.EqualTo(3));
        for (int i = 0; i < together.Length; i++)
        {
            Assert.That(together[i], Is.EqualTo(alone[names[i % 3]]));
        }

        async Task<float[]> Embed(string name) =>
            (await generator.GenerateVectorAsync(Texts[0], new EmbeddingGenerationOptions { ModelId = name })).ToArray();
    }

    [Test]
    public async Task An_adapter_s_vectors_are_made_with_the_pooling_that_it_was_trained_with()
    {
        string adapter = TestModels.SaveAdapter(_folder["cls"], 3, TestModels.Bert, ModelTask.FeatureExtraction, pooling: "cls");
        var own = new PeftCoreEmbeddingOptions { ModelDirectory = TestModels.Bert, Adapters = { ["a"] = adapter }, DefaultAdapter = "a" };
        using var trained = PeftCoreEmbeddingGenerator.Load(own);
        using var cls = PeftCoreEmbeddingGenerator.Load(With("cls"));
        using var mean = PeftCoreEmbeddingGenerator.Load(With("mean"));

        var vector = await trained.GenerateVectorAsync(Texts[0]);

        Assert.That(vector.ToArray(), Is.EqualTo((await cls.GenerateVectorAsync(Texts[0])).ToArray()));
        Assert.That(vector.ToArray(), Is.Not.EqualTo((await mean.GenerateVectorAsync(Texts[0])).ToArray()));

        PeftCoreEmbeddingOptions With(string pooling) => new()
        {
            ModelDirectory = TestModels.Bert,
            Adapters = own.Adapters,
            DefaultAdapter = "a",
            Pooling = pooling,
        };
    }

    [Test]
    public void What_is_not_supported_is_refused_by_name()
    {
        using var generator = PeftCoreEmbeddingGenerator.FromDirectory(TestModels.Bert);
        string tooLong = string.Join(' ', Enumerable.Repeat("a", 600));

        Refuses(new EmbeddingGenerationOptions { Dimensions = 3 }, "Dimensions is 3");
        Refuses(new EmbeddingGenerationOptions { ModelId = "other" }, "there is no model \"other\"; expected \"base-bert\"");
        Refuses(new EmbeddingGenerationOptions { RawRepresentationFactory = _ => 1 }, "RawRepresentationFactory");
        Refuses(new EmbeddingGenerationOptions { AdditionalProperties = new() { ["prompt_name"] = "query" } }, "no prompt \"query\"");
        Assert.That(async () => await generator.GenerateAsync([tooLong]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("text 0 has 602 tokens"));

        void Refuses(EmbeddingGenerationOptions options, string message) => Assert.That(
            async () => await generator.GenerateAsync(Texts, options), Throws.TypeOf<BadInputException>().With.Message.Contains(message));
    }

    [Test]
    public async Task A_long_text_is_cut_between_its_special_tokens_if_asked()
    {
        using var generator = PeftCoreEmbeddingGenerator.Load(new PeftCoreEmbeddingOptions
        {
            ModelDirectory = TestModels.Bert,
            Truncate = true,
            Pooling = "lasttoken",
        });
        int room = generator.GetService<PeftCoreModel>()!.Model.Base.MaxLength - 2;

        var cut = await generator.GenerateVectorAsync(string.Join(' ', Enumerable.Repeat("a", room + 90)));
        var fits = await generator.GenerateVectorAsync(string.Join(' ', Enumerable.Repeat("a", room)));

        Assert.That(cut.ToArray(), Is.EqualTo(fits.ToArray()));
    }

    [Test]
    public async Task A_cancelled_or_disposed_generator_says_so()
    {
        var generator = PeftCoreEmbeddingGenerator.FromDirectory(TestModels.Bert);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        Assert.That(async () => await generator.GenerateAsync(Texts, cancellationToken: cancelled.Token),
            Throws.InstanceOf<OperationCanceledException>());
        generator.Dispose();
        generator.Dispose();
        Assert.That(async () => await generator.GenerateAsync(Texts), Throws.TypeOf<ObjectDisposedException>());
    }

    private static float[] OfCore(string directory, string text, string pooling)
    {
        using var backend = new CpuBackend();
        using var model = ModelLoader.Load(directory, backend, task: new TaskOptions
        {
            Task = ModelTask.FeatureExtraction,
            Pooling = pooling,
        });
        using var scope = new TensorScope();
        var inputs = model.ToInputs(new InputArrays { Ids = Tokenizer.FromDirectory(directory).Encode(text).Ids, BatchSize = 1 });
        return model.Logits(inputs).ToFloats();
    }

    private sealed class Same : IEqualityComparer<float[]>
    {
        public bool Equals(float[]? x, float[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(float[] x) => x.Length;
    }
}
