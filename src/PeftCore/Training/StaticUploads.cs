using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Models;

namespace PeftCore.Training;

/// <summary>The static tensors of a captured graph, whatever the model uploads of its inputs and targets. For a language model that reads
/// tokens alone, <see cref="StaticInputs"/> does it without garbage.</summary>
internal sealed class StaticUploads(ModelInputs inputs, Targets targets, Arena arena)
{
    private readonly StaticTensor[] _tensors = [.. Of(inputs, targets)!.Select(uploaded => new StaticTensor(uploaded.Tensor))];

    /// <summary>What is uploaded for a batch; null if the batch cannot run from static tensors.</summary>
    public static IReadOnlyList<Uploaded>? Of(ModelInputs inputs, Targets targets) =>
        inputs.Uploads() is { } uploads ? [.. uploads, .. targets.Uploads()] : null;

    /// <summary>The shapes, as part of a graph's key: batches with equal ones have the same static tensors.</summary>
    public static string ShapesOf(IReadOnlyList<Uploaded> uploads) => string.Join(';', uploads.Select(uploaded => uploaded.Tensor.Shape));

    /// <summary>Allocates the memory and uploads the values of another batch, whose own tensors must be freed.</summary>
    /// <returns>False if some of the memory is in use.</returns>
    public bool Fill(IReadOnlyList<Uploaded> uploads)
    {
        if (!StaticTensor.TryTake(_tensors, arena))
        {
            return false;
        }
        for (int i = 0; i < _tensors.Length; i++)
        {
            var tensor = _tensors[i].Tensor;
            tensor.Backend.Upload(uploads[i].Values is int[] numbers ? MemoryMarshal.AsBytes(numbers.AsSpan())
                : MemoryMarshal.AsBytes(((float[])uploads[i].Values).AsSpan()), tensor);
        }
        return true;
    }

    /// <summary>Frees the memory.</summary>
    public void Free() => StaticTensor.Free(_tensors);
}
