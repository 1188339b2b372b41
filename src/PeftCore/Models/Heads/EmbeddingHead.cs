using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Embeds texts: one vector for each row. Training takes similar texts together and others apart (Henderson et al. 2017; multiple
/// negatives ranking loss): in a batch of anchors, their positives, and perhaps negatives, each anchor chooses its positive among all of
/// them by a softmax over cosine similarity / τ.</summary>
/// <param name="pool">(B, T, C) to (B, C): how hidden states become one vector.</param>
/// <param name="upload">Uploads what <paramref name="pool"/> reads of a batch.</param>
/// <param name="temperature">τ; null for 0.05, as in Sentence Transformers.</param>
internal sealed class EmbeddingHead(Func<Tensor, ModelInputs, Tensor> pool, Action<ModelInputs> upload, float? temperature = null)
    : TaskHead
{
    private const float UsualTemperature = 0.05f;

    // Keeps the length of a zero vector from being zero.
    private const float SmallestSquare = 1e-24f;

    /// <summary>A head without layers of its own.</summary>
    /// <param name="mode">How hidden states become one vector.</param>
    /// <param name="temperature">τ.</param>
    public EmbeddingHead(PoolingMode mode, float? temperature = null)
        : this((hidden, inputs) => hidden.Pool(mode, inputs), inputs => inputs.UploadPooling(mode), temperature)
    {
    }

    public override ModelTask Task => ModelTask.FeatureExtraction;

    /// <summary>The embeddings, (B, C).</summary>
    public override Tensor Logits(Tensor hidden, ModelInputs inputs) => pool(hidden, inputs);

    public override void Upload(ModelInputs inputs) => upload(inputs);

    /// <summary>The ranking loss. Targets are 0, 1, … for the anchors; the rows are the anchors, their positives in the same order, and
    /// perhaps as many negatives.</summary>
    public override Tensor Loss(Tensor hidden, ModelInputs inputs, Targets targets)
    {
        int rows = hidden.Shape[0], anchors = (int)targets.Tokens.Count;
        if (rows % anchors != 0 || rows == anchors)
        {
            throw new BadInputException($"a batch of {rows} texts does not hold a similar text for each of {anchors}; give pairs of texts");
        }
        using var scope = new TensorScope();
        var e = Normalized(Logits(hidden, inputs).Cast(DType.F32));
        var cosines = e.Slice(0, anchors).MatMul(e.Slice(anchors, rows - anchors), transposeB: true); // (anchors, positives and negatives)
        var scores = cosines * (1 / (temperature ?? UsualTemperature));
        return scope.Return(scores.CrossEntropy(targets.Tokens, 1).ScaleBy(targets.InverseCount));
    }

    /// <summary>The pooling of a name on the command line or in a program.</summary>
    /// <param name="name">"mean", "cls" or "last"; null for the default.</param>
    /// <param name="isDecoder">Whether tokens attend only to those before them.</param>
    /// <exception cref="BadInputException">There is no such pooling, or it makes no sense for a decoder.</exception>
    public static PoolingMode ModeOf(string? name, bool isDecoder) => name switch
    {
        null => isDecoder ? PoolingMode.Last : PoolingMode.Mean,
        "mean" => PoolingMode.Mean,
        "last" => PoolingMode.Last,
        "cls" when isDecoder => throw new BadInputException(
            "the first token of a decoder attends to no other, so \"cls\" pooling says nothing of the text; choose mean or last"),
        "cls" => PoolingMode.First,
        _ => throw new BadInputException($"pooling is \"{name}\", expected mean, cls or last"),
    };

    /// <summary>Rows of length 1, from F32 (B, C).</summary>
    public static Tensor Normalized(Tensor x) => x.MultiplyColumn(((x * x).Sum(^1) + SmallestSquare).Activate<InverseSqrt>());
}
