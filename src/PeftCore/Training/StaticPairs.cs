using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>The static tensors of an encoder-decoder's batch: the model makes the tensors of each batch as in an eager pass, and they are
/// copied to the captured addresses on the device.</summary>
internal sealed class StaticPairs : IStaticInputs
{
    private readonly TransformerModel _model;
    private readonly Arena _arena;
    private readonly StaticTensor[] _tensors;

    public StaticPairs(TransformerModel model, ModelInputs inputs, Targets targets, Arena arena)
    {
        (_model, _arena) = (model, arena);
        _tensors = [.. TensorsOf(inputs, targets).Select(tensor => new StaticTensor(tensor))];
    }

    public bool Fill(Batch batch, int denominator)
    {
        if (!StaticTensor.TryTake(_tensors, _arena))
        {
            return false;
        }
        using var scope = new TensorScope();
        int at = 0;
        foreach (var tensor in TensorsOf(batch.ToInputs(_model), batch.ToTargets(_model, denominator)))
        {
            tensor.Backend.Copy(tensor, _tensors[at++].Tensor);
        }
        return true;
    }

    public void Free() => StaticTensor.Free(_tensors);

    private static IEnumerable<Tensor> TensorsOf(ModelInputs inputs, Targets targets) =>
        [.. inputs.Tensors, .. inputs.Decoder!.Tensors, .. new[] { targets.Tokens, targets.Rows, targets.InverseCount }.OfType<Tensor>()];
}
