using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Tests.Nn;

namespace PeftCore.Tests.Models;

/// <summary>A token with a window attends to the last few tokens only, its own included.</summary>
public sealed class WindowTests
{
    private const int Length = 9;

    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [TestCase(1, ExpectedResult = new[] { 4 }, TestName = "One block with a window of 3 sees tokens 4 to 6 from token 6")]
    [TestCase(2, ExpectedResult = new[] { 2 }, TestName = "Two blocks see as far again")]
    public int[] A_token_sees_as_far_back_as_its_windows_reach_together(int layers)
    {
        var model = Model(layers, window: 3, first: 0);
        float[] logits = Logits(model, Ids());
        return [Enumerable.Range(0, Length).First(changed => !SameAt(6, logits, Logits(model, Ids(changed))))];
    }

    [Test]
    public void Blocks_before_the_first_with_a_window_see_all_the_way()
    {
        float[] everywhere = Logits(Model(2, 3, 0), Ids());
        float[] late = Logits(Model(2, 3, 1), Ids());
        float[] never = Logits(Model(2, 3, 2), Ids());
        float[] none = Logits(Model(2, 0, 0), Ids());
        Assert.That(never, Is.EqualTo(none));
        Assert.That(late, Is.Not.EqualTo(none).And.Not.EqualTo(everywhere));
        Assert.That(Logits(Model(2, Length, 0), Ids()), Is.EqualTo(none), "a window as long as the sequence is none");
    }

    [Test]
    public void Padding_changes_nothing_for_the_tokens()
    {
        var model = Model(2, 3, 0);
        float[] alone = Logits(model, Ids());
        int[] mask = [.. Enumerable.Repeat(1, Length), 0, 0, .. Enumerable.Repeat(0, 2), .. Enumerable.Repeat(1, Length)];
        int[] positions = [.. Enumerable.Range(0, Length + 2), 0, 0, .. Enumerable.Range(0, Length)];
        var inputs = ModelInputs.From(_backend, [.. Ids(), 1, 1, 1, 1, .. Ids()], 2, mask, positions);
        float[] padded = model.Logits(inputs).ToArray<float>();
        int row = TinyModels.Vocabulary;
        Assert.That(padded[..(Length * row)], Is.EqualTo(alone).Within(1e-6f), "padding behind");
        Assert.That(padded[^(Length * row)..], Is.EqualTo(alone).Within(1e-6f), "padding before");
    }

    [Test]
    public void Tokens_one_at_a_time_have_the_logits_of_all_at_once()
    {
        var model = Model(2, 3, 1);
        float[] together = Logits(model, Ids());
        using var cache = new KvCache(_backend, 2, Length, model.KeyColumns);
        float[] apart = Ids().SelectMany(id => model.Logits(ModelInputs.After(cache, _backend, [id])).ToArray<float>()).ToArray();
        Assert.That(apart, Is.EqualTo(together).Within(1e-6f));
    }

    [Test]
    public void Tokens_fill_rows() => Assert.That(() => ModelInputs.From(_backend, [1, 2, 3], 2), Throws.TypeOf<ShapeException>()
        .With.Message.EqualTo("inputs: 3 tokens do not fill 2 rows of one length"));

    [Test]
    public void A_sequence_is_no_longer_than_the_model_allows() =>
        Assert.That(() => Logits(Model(1, 0, 0), new int[33]), Throws.TypeOf<BadInputException>()
        .With.Message.StartsWith("a sequence of 33 tokens is longer than the 32 this model allows"));

    private static bool SameAt(int token, float[] a, float[] b)
    {
        int row = TinyModels.Vocabulary;
        return a.AsSpan(token * row, row).SequenceEqual(b.AsSpan(token * row, row));
    }

    private static int[] Ids(int changed = -1) => [.. Enumerable.Range(0, Length).Select(i => i == changed ? 30 : i * 3)];

    private float[] Logits(TransformerModel model, int[] ids) => model.Logits(ModelInputs.From(_backend, ids, 1)).ToArray<float>();

    private Decoder Model(int layers, int window, int first)
    {
        var model = new Decoder(TinyModels.LlamaSpec with
        {
            Layers = layers,
            Windows = new PerLayer<int>(Enumerable.Range(0, layers).Select(i => i < first ? 0 : window)),
        });
        ModelLoader.Initialize(model, _backend, DType.F32);
        return model;
    }
}
