using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>A device that can record the work it is asked for and run all of it again at once, without the host walking through it (CUDA graphs).</summary>
internal interface IReplaysWork
{
    /// <summary>Whether work can be recorded now.</summary>
    bool CanRecord { get; }

    /// <summary>Does the work and records it.</summary>
    /// <param name="work">Asks for the work. What it reads must stay where it is for as long as the recording is used.</param>
    IRecording Record(Action work);
}

/// <summary>Recorded work.</summary>
internal interface IRecording : IDisposable
{
    /// <summary>False if the work needed the host in between, or drew random numbers: then it was done this once and cannot be repeated.</summary>
    bool CanRepeat { get; }

    /// <summary>Does the work again, if memory is in use exactly as it was when the recording began.</summary>
    /// <param name="results">Where the work left what outlives it; taken again before it runs.</param>
    /// <returns>Tensors in those places, to be disposed by the caller; null if memory is not as it was, and nothing was done.</returns>
    Tensor[]? Repeat(ReadOnlySpan<Place> results);
}

/// <summary>Where a tensor lies.</summary>
/// <param name="Address">Address of its storage.</param>
/// <param name="Bytes">Bytes of its storage.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="DType">How its elements are stored.</param>
/// <param name="Kind">What its memory is for.</param>
internal readonly record struct Place(nint Address, long Bytes, Shape Shape, DType DType, MemoryKind Kind)
{
    public static Place Of(Tensor tensor) =>
        new(tensor.Storage.Address, tensor.Storage.Bytes, tensor.Shape, tensor.DType, tensor.Storage.Kind);
}
