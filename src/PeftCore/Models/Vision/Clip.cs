using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>CLIP (Radford et al. 2021): a tower embeds pictures, another one texts, so that a picture and its text are close to each other
/// and far from the others of a batch. The score of a pair is e^s·cos(picture, text) with a learned s.</summary>
internal sealed class Clip : TransformerModel
{
    private const string ScaleName = "logit_scale";

    private readonly ClipSpec _spec;
    private readonly ClipTextTower _text;
    private readonly ClipVisionTower _vision;
    private readonly Linear _textProjection;
    private readonly Linear _visualProjection;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public Clip(ClipSpec spec)
    {
        _spec = spec;
        Add(ScaleName, new Parameter([]));
        _text = Add("text_model", new ClipTextTower(spec.Text));
        _vision = Add("vision_model", new ClipVisionTower(spec.Vision, spec.Text.Layers));
        _visualProjection = Add("visual_projection", new Linear(spec.Vision.Blocks.HiddenSize, spec.ProjectionSize));
        _textProjection = Add("text_projection", new Linear(spec.Text.Blocks.HiddenSize, spec.ProjectionSize));
    }

    public override string ModelType => "clip";

    public override ModelTask Task => ModelTask.Contrastive;

    public override int HiddenSize => _spec.Text.Blocks.HiddenSize;

    /// <summary>Blocks of the tower of texts; <see cref="BlockCount"/> counts those of both.</summary>
    public override int LayerCount => _spec.Text.Layers;

    public override int MaxLength => _spec.Text.MaxLength;

    public override int HeadCount => _spec.Text.Blocks.Heads;

    public override Embedding TokenEmbedding => _text.TokenEmbedding;

    internal override Linear? OutputLayer => null;

    internal override IReadOnlyList<string> HeadModules => ["visual_projection", "text_projection"];

    internal override int BlockCount => _spec.Text.Layers + _spec.Vision.Layers;

    internal override IReadOnlyList<Module> FinalNorms => [_text.Norm, _vision.Norm!];

    internal override int HiddenSizeOf(int block) => block < LayerCount ? HiddenSize : _spec.Vision.Blocks.HiddenSize;

    internal override bool StreamsBlocks => false;

    internal override BlockResiduals ResidualsOf(int block) =>
        (block < LayerCount ? _text.Blocks[block] : _vision.Blocks[block - LayerCount]).Residuals;

    internal override long PositionTables(int length) => _vision.Positions.Version;

    internal override SampleSizes InputsOf(int length) => new(Math.Min(length, MaxLength), _spec.Vision.Picture.Shape);

    internal override bool IsBuffer(string name) => name.EndsWith("embeddings.position_ids", StringComparison.Ordinal);

    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        int places = 1 + _spec.Vision.Picture.GridOf(arrays, ModelType).Count;
        var text = ModelInputs.Causal(Backend, arrays).WithEndTokens(_spec.Text.EndsOf(arrays.Ids, arrays.BatchSize));
        if (VirtualTokenCount == 0)
        {
            text.LastTokenRows();
        }
        // Scores compare every picture with every text, so that there may be more of one than of the other.
        var pictures = new InputArrays { BatchSize = arrays.Pixels!.Shape[0], Pixels = arrays.Pixels };
        return text.AddPictures(ModelInputs.Bidirectional(Backend, pictures, places));
    }

    /// <summary>The hidden states of the texts after the last norm: (B, T, C).</summary>
    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        (var x, inputs) = Embed(inputs);
        return scope.Return(_text.Forward(x, inputs, Recomputes(inputs)));
    }

    /// <summary>The scores of all pairs, F32 (pictures, texts): logits_per_image.</summary>
    public override Tensor Logits(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(Scores(EmbedPictures(inputs), EmbedTexts(inputs)));
    }

    /// <summary>The mean of two cross-entropies: that of each picture's choice between all texts, and that of each text's choice between
    /// all pictures. Row i of the pictures belongs to row i of the texts.</summary>
    public override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        var (pictures, texts) = (EmbedPictures(inputs), EmbedTexts(inputs));
        var sum = Scores(pictures, texts).CrossEntropy(targets.Tokens, 1) + Scores(texts, pictures).CrossEntropy(targets.Tokens, 1);
        return scope.Return(WithPenalty((sum * 0.5f).ScaleBy(targets.InverseCount), targets));
    }

    public override IReadOnlyList<(string Name, Tensor Value)> Outputs(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var (pictures, texts) = (EmbedPictures(inputs), EmbedTexts(inputs));
        return [("logits_per_image", Scores(pictures, texts)), ("text_embeds", texts), ("image_embeds", pictures)];
    }

    /// <summary>The embeddings of the pictures, F32 (B, projection), of length 1.</summary>
    private Tensor EmbedPictures(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        var pooled = _vision.Forward(inputs.Pictures!, Recomputes(inputs));
        return scope.Return(EmbeddingHead.Normalized(_visualProjection.Forward(pooled).Cast(DType.F32)));
    }

    /// <summary>The embeddings of the texts, F32 (B, projection), of length 1: a text is the hidden state of the token that ends
    /// it.</summary>
    private Tensor EmbedTexts(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        var pooled = Hidden(inputs).LastTokens(inputs);
        return scope.Return(EmbeddingHead.Normalized(_textProjection.Forward(pooled).Cast(DType.F32)));
    }

    /// <summary>e^s·A·Bᵀ.</summary>
    private Tensor Scores(Tensor a, Tensor b)
    {
        using var scope = new TensorScope();
        int rows = a.Shape[0];
        var first = a.Backend.NewTensor([rows], DType.I32);
        a.Backend.Zero(first);
        var factor = OwnParameter(ScaleName)!.Value.Reshape([1, 1]).Rows(first).Cast(DType.F32).Exp(); // (rows, 1)
        return scope.Return(a.MatMul(b, transposeB: true).MultiplyColumn(factor));
    }
}
