using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Tests.Models.Vision;
using PeftCore.Training;

namespace PeftCore.Tests.Training.Metrics;

/// <summary>Retrieval of texts by pictures and of pictures by texts.</summary>
public sealed class RetrievalMeterTests
{
    private const int Count = 7;

    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;
    private TransformerModel _model = null!;

    [SetUp]
    public void Start()
    {
        (_backend, _scope) = (new CpuBackend(1), new TensorScope());
        _model = TinyPictures.Model(_backend, "clip");
    }

    [TearDown]
    public void Free()
    {
        _model.Dispose();
        _scope.Dispose();
        _backend.Dispose();
    }

    [TestCase(Count)]
    [TestCase(3)]
    public void The_nearest_of_all_batches_are_counted_as_one_table_of_scores_says(int batchSize)
    {
        Example[] samples = [.. Enumerable.Range(0, Count).Select(i => TinyPictures.Sample("clip", i, tokens: 5))];
        float[] scores = ScoresOf(samples);
        int texts = Enumerable.Range(0, Count).Count(i => Nearest(j => scores[i * Count + j]) == i);
        int pictures = Enumerable.Range(0, Count).Count(j => Nearest(i => scores[i * Count + j]) == j);

        var metrics = Evaluation.Run(_model, samples.Chunk(batchSize).Select(new Collator(padId: 1).Collate)).Metrics;
        Assert.That(metrics["image_to_text_accuracy"], Is.EqualTo((double)texts / Count).Within(1e-12));
        Assert.That(metrics["text_to_image_accuracy"], Is.EqualTo((double)pictures / Count).Within(1e-12));
    }

    [Test]
    public void Equal_texts_are_one()
    {
        var one = TinyPictures.Sample("clip", 0, tokens: 5);
        Example[] samples = [.. Enumerable.Range(0, Count).Select(i => one with { Pixels = TinyPictures.Sample("clip", i, tokens: 5).Pixels })];
        var metrics = Evaluation.Run(_model, [new Collator(padId: 1).Collate(samples)]).Metrics;
        Assert.That(metrics.Values, Is.All.EqualTo(1));
    }

    private float[] ScoresOf(Example[] samples)
    {
        var batch = new Collator(padId: 1).Collate(samples);
        return Tape.NoGrad(() => _model.Logits(batch.ToInputs(_model))).ToFloats(); // (pictures, texts)
    }

    private static int Nearest(Func<int, float> score) => Enumerable.Range(0, Count).MaxBy(score);
}
