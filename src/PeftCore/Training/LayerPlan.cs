using PeftCore.Autograd;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>The tensors that one module saves for backward.</summary>
public sealed class LayerPlan
{
    internal LayerPlan(string path, IReadOnlyList<SavedTensorPlan> saved) => (Path, Saved) = (path, saved);

    /// <summary>Module path, as the scopes of a run name it: "layers.0.self_attn.q_proj".</summary>
    public string Path { get; }

    /// <summary>The saved tensors.</summary>
    internal IReadOnlyList<SavedTensorPlan> Saved { get; }

    /// <summary>Bytes of all saved tensors.</summary>
    public long SavedBytes => Saved.Sum(saved => saved.Bytes);

    /// <summary>The modules with ops on a tape, in the order of their first op.</summary>
    internal static List<LayerPlan> Of(Tape tape)
    {
        var layers = new List<LayerPlan>();
        var saved = new Dictionary<string, List<SavedTensorPlan>>();
        var seen = new HashSet<Storage>(ReferenceEqualityComparer.Instance);
        foreach (var node in tape.Nodes)
        {
            if (!saved.TryGetValue(node.Path, out var tensors))
            {
                saved.Add(node.Path, tensors = []);
                layers.Add(new LayerPlan(node.Path, tensors));
            }
            foreach (var (name, tensor, _) in node.SavedTensors)
            {
                long bytes = seen.Add(tensor.Storage) ? tensor.Storage.ReservedBytes : 0;
                tensors.Add(new SavedTensorPlan(node.Op, name, tensor.Shape, bytes));
            }
        }
        return layers;
    }
}

/// <summary>A tensor saved for backward.</summary>
/// <param name="Op">The op whose backward reads it.</param>
/// <param name="Name">Its symbol in the op's equation.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Bytes">Its size in bytes; 0 if it shares the memory of an earlier tensor.</param>
internal sealed record SavedTensorPlan(string Op, string Name, Shape Shape, long Bytes);
