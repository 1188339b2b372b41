using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;

namespace PeftCore.Training;

/// <summary>The static tensors of a decoder's batch, whose arrays are uploaded to the captured addresses.</summary>
internal sealed class StaticInputs(ModelInputs inputs, Targets targets, Arena arena)
{
    private readonly Backend _backend = inputs.Ids.Backend;
    private readonly StaticTensor _ids = new(inputs.Ids);
    private readonly StaticTensor _positions = new(inputs.PlaceTensor);
    private readonly StaticTensor? _ranges = inputs.Ranges is null ? null : new(inputs.Ranges);
    private readonly StaticTensor _targets = new(targets.Tokens);
    private readonly StaticTensor _inverseCount = new(targets.InverseCount);
    private readonly StaticTensor? _rows = targets.Rows is null ? null : new(targets.Rows);
    private readonly int[] _compactTargets = new int[targets.Rows?.Count ?? 0];
    private readonly int[] _compactRows = new int[targets.Rows?.Count ?? 0];

    /// <summary>Allocates the memory and uploads a batch of the captured shape.</summary>
    /// <returns>False if some of the memory is in use.</returns>
    public bool Fill(Batch batch, int denominator)
    {
        if (!TryAllocate())
        {
            return false;
        }
        Upload(_ids, batch.InputIds);
        Upload(_positions, batch.Positions);
        if (_ranges is not null)
        {
            Upload(_ranges, batch.CausalRanges);
        }
        if (_rows is null)
        {
            Upload(_targets, batch.Targets);
        }
        else
        {
            Targets.CompactRows(batch.Targets, _compactTargets, _compactRows);
            Upload(_targets, _compactTargets);
            Upload(_rows, _compactRows);
        }
        float inverseCount = 1f / denominator;
        _backend.Upload(MemoryMarshal.AsBytes(new ReadOnlySpan<float>(in inverseCount)), _inverseCount.Tensor);
        return true;
    }

    /// <summary>Frees the memory.</summary>
    public void Free()
    {
        _ids.Tensor.Dispose();
        _positions.Tensor.Dispose();
        _ranges?.Tensor.Dispose();
        _targets.Tensor.Dispose();
        _inverseCount.Tensor.Dispose();
        _rows?.Tensor.Dispose();
    }

    private bool TryAllocate()
    {
        if (_ids.TryTake(arena) && _positions.TryTake(arena) && (_ranges?.TryTake(arena) ?? true)
            && _targets.TryTake(arena) && _inverseCount.TryTake(arena) && (_rows?.TryTake(arena) ?? true))
        {
            return true;
        }
        Free();
        return false;
    }

    private void Upload(StaticTensor target, ReadOnlySpan<int> numbers) =>
        _backend.Upload(MemoryMarshal.AsBytes(numbers), target.Tensor);
}
