using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A model that reads pictures and nothing else: blocks over the hidden states of patches, and a head.</summary>
/// <param name="blocks">The blocks.</param>
/// <param name="layers">Number of blocks.</param>
/// <param name="picture">The pictures.</param>
/// <param name="task">The task of the head.</param>
internal abstract class PictureModel(PreNormSpec blocks, int layers, PictureSpec picture, TaskSpec task) : TransformerModel
{
    public sealed override ModelTask Task => task.Task;

    public sealed override IReadOnlyList<string> Labels => task.Labels;

    public sealed override int HiddenSize => blocks.HiddenSize;

    public sealed override int LayerCount => layers;

    public sealed override int MaxLength => TokensBefore + picture.Grid.Count;

    public sealed override int HeadCount => blocks.Heads;

    internal sealed override bool ReadsTokens => false;

    internal sealed override bool TakesPrefix => false;

    internal sealed override SampleSizes InputsOf(int length) => new(Tokens: 0, picture.Shape)
    {
        InterpolatesPixels = picture.Interpolates,
    };

    /// <summary>Hidden states before those of the patches, such as a class token.</summary>
    private protected virtual int TokensBefore => 1;

    /// <summary>The head.</summary>
    private protected abstract TaskHead Head { get; }

    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        var inputs = ModelInputs.Bidirectional(Backend, arrays, TokensBefore + picture.GridOf(arrays, ModelType).Count);
        Head.Upload(inputs);
        return inputs;
    }

    public sealed override Targets ToTargets(ReadOnlySpan<int> labels, int batchSize, float? denominator = null) =>
        task.ToTargets(Backend, labels, batchSize, denominator);

    /// <summary>The hidden states that the head reads.</summary>
    private protected virtual Tensor HeadInput(ModelInputs inputs) => Hidden(inputs);

    public sealed override Tensor Logits(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(Head.Logits(HeadInput(inputs), inputs));
    }

    public sealed override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(WithPenalty(Head.Loss(HeadInput(inputs), inputs, targets), targets));
    }
}
