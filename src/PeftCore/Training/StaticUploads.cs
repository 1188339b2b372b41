using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>The static tensors of a captured graph, whatever the model uploads of its inputs and targets: their shapes and addresses. What
/// that is, only the inputs of a batch tell, so a batch is uploaded before its graph is known, and the graph reads its tensors where they
/// are: the arena gives a step that repeats the same addresses again. For a language model that reads tokens alone,
/// <see cref="StaticInputs"/> does it without garbage.</summary>
internal sealed class StaticUploads(IReadOnlyList<Uploaded> captured)
{
    private readonly (Shape Shape, nint Address)[] _tensors =
        [.. captured.Select(uploaded => (uploaded.Tensor.Shape, uploaded.Tensor.Storage.Address))];

    /// <summary>What is uploaded for a batch; null if the batch cannot run from static tensors.</summary>
    public static IReadOnlyList<Uploaded>? Of(ModelInputs inputs, Targets targets) =>
        inputs.Uploads() is { } uploads ? [.. uploads, .. targets.Uploads()] : null;

    /// <summary>A hash of the shapes, as part of a graph's key: batches with equal shapes have the same static tensors.</summary>
    public static int HashOfShapes(IReadOnlyList<Uploaded> uploads)
    {
        var hash = new HashCode();
        for (int i = 0; i < uploads.Count; i++)
        {
            hash.Add(uploads[i].Tensor.Shape);
        }
        return hash.ToHashCode();
    }

    /// <summary>Whether a batch's tensors have the captured shapes and addresses.</summary>
    public bool Contain(IReadOnlyList<Uploaded> uploads)
    {
        bool same = uploads.Count == _tensors.Length;
        for (int i = 0; same && i < _tensors.Length; i++)
        {
            var tensor = uploads[i].Tensor;
            same = tensor.Shape == _tensors[i].Shape && tensor.Storage.Address == _tensors[i].Address;
        }
        return same;
    }
}
