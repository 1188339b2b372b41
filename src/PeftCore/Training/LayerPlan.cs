using PeftCore.Autograd;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>What one module keeps from forward to backward.</summary>
/// <param name="Path">The module, as the scopes of a run name it: "layers.0.self_attn.q_proj".</param>
/// <param name="Saved">The tensors kept.</param>
public sealed record LayerPlan(string Path, IReadOnlyList<SavedTensorPlan> Saved)
{
    /// <summary>Bytes of them all.</summary>
    public long SavedBytes => Saved.Sum(saved => saved.Bytes);

    /// <summary>Modules with ops on a tape, in the order they first ran.</summary>
    internal static List<LayerPlan> Of(Tape tape)
    {
        var layers = new List<LayerPlan>();
        var seen = new HashSet<Storage>(ReferenceEqualityComparer.Instance);
        foreach (var node in tape.Nodes)
        {
            var layer = layers.Find(known => known.Path == node.Path);
            if (layer is null)
            {
                layers.Add(layer = new LayerPlan(node.Path, new List<SavedTensorPlan>()));
            }
            foreach (var (name, tensor) in node.SavedTensors)
            {
                long bytes = seen.Add(tensor.Storage) ? tensor.Storage.ReservedBytes : 0;
                ((List<SavedTensorPlan>)layer.Saved).Add(new SavedTensorPlan(node.Op, name, tensor.Shape, bytes));
            }
        }
        return layers;
    }
}

/// <summary>A tensor kept from forward to backward.</summary>
/// <param name="Op">The op whose gradient needs it.</param>
/// <param name="Name">What it is in the op's equation.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Bytes">What it takes; 0 if it shares the memory of one named before.</param>
public sealed record SavedTensorPlan(string Op, string Name, Shape Shape, long Bytes);
