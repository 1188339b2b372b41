using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Nn;

/// <summary>Encoder-decoders of a few thousand parameters with seeded random weights, and pairs of texts.</summary>
internal static class TinyPairs
{
    public const int Vocabulary = 31;
    public const int Start = 2;
    public const int Pad = 1;

    public static T5Config T5Config { get; } = new()
    {
        ModelType = "t5", VocabularySize = Vocabulary, HiddenSize = 16, InnerSize = 24, EncoderLayers = 2, DecoderLayers = 3, Heads = 4,
        HeadDim = 6, Buckets = 8, MaxDistance = 12, PadToken = Pad, StartToken = Start,
    };

    public static BartConfig BartConfig { get; } = new()
    {
        ModelType = "bart", Variant = BartVariant.Of("bart"), VocabularySize = Vocabulary, HiddenSize = 16,
        Encoder = new BartStackSizes(3, 4, 24), Decoder = new BartStackSizes(2, 2, 20), MaxLength = 24, PadToken = Pad, StartToken = Start,
    };

    public static Seq2SeqModel Of(string family, Backend backend, float dropout = 0)
    {
        Seq2SeqModel model = family == "t5" ? new T5(T5Config with { Dropout = dropout })
            : new Bart(BartConfig with
            {
                ModelType = family,
                Variant = BartVariant.Of(family),
                Dropout = dropout,
                AttentionDropout = dropout,
                ActivationDropout = dropout,
            });
        ModelLoader.Initialize(model, backend, DType.F32, seed: 5);
        ulong stream = 0;
        foreach (var (_, parameter) in model.NamedParameters().Where(p => p.Parameter.Shape.Rank == 2))
        {
            backend.FillNormal(parameter.Value, 0, 0.4f, 9, stream++); // Large enough that texts differ.
        }
        return model;
    }

    /// <summary>Pairs of source and target of different lengths.</summary>
    public static Batch Batch(int number = 0, int rows = 3, bool sameLength = false) => new Collator(Pad).Collate(
        [.. Enumerable.Range(0, rows).Select(row =>
        {
            int[] ids = [.. Enumerable.Range(0, sameLength ? 8 : 8 - 2 * row).Select(t => 3 + (31 * number + 7 * row + 5 * t) % 28)];
            int[] target = [.. Enumerable.Range(0, sameLength ? 5 : 3 + row).Select(t => 3 + (17 * number + 11 * row + 3 * t) % 28)];
            return Example.Unlabelled(ids) with { TargetIds = target };
        })]);
}
