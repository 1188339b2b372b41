using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;

namespace PeftCore.Training;

/// <summary>Where a recorded pass reads its batch. The memory is taken again for each pass, and the batch's numbers are written into
/// it.</summary>
internal sealed class StaticInputs(ModelInputs inputs, Targets targets)
{
    private readonly IBackend _backend = inputs.Ids.Backend;
    private readonly StaticTensor _ids = new(inputs.Ids);
    private readonly StaticTensor _positions = new(inputs.Positions);
    private readonly StaticTensor? _ranges = inputs.Ranges is null ? null : new(inputs.Ranges);
    private readonly StaticTensor _tokens = new(targets.Tokens);
    private readonly StaticTensor _inverse = new(targets.InverseCount);
    private readonly StaticTensor? _rows = targets.Rows is null ? null : new(targets.Rows);
    private readonly int[] _next = new int[inputs.Ids.Count];
    private readonly int[] _picked = new int[targets.Rows?.Count ?? 0];

    /// <summary>Takes the memory and writes a batch of the recorded shape.</summary>
    /// <returns>False if some of the memory is in use.</returns>
    public bool Fill(Batch batch, int denominator)
    {
        if (!TakeAgain())
        {
            return false;
        }
        Write(_ids, batch.InputIds);
        Write(_positions, batch.Positions);
        if (_ranges is not null)
        {
            Write(_ranges, batch.CausalRanges);
        }
        Targets.Shift(batch.Labels, batch.BatchSize, _next);
        if (_rows is not null)
        {
            Targets.CompactRows(_next, _picked);
            Write(_rows, _picked);
        }
        Write(_tokens, _next.AsSpan(0, (int)_tokens.Tensor.Count));
        float inverse = 1f / denominator;
        _backend.Upload(MemoryMarshal.AsBytes(new ReadOnlySpan<float>(in inverse)), _inverse.Tensor);
        return true;
    }

    /// <summary>Gives the memory back.</summary>
    public void Free()
    {
        _ids.Tensor.Dispose();
        _positions.Tensor.Dispose();
        _ranges?.Tensor.Dispose();
        _tokens.Tensor.Dispose();
        _inverse.Tensor.Dispose();
        _rows?.Tensor.Dispose();
    }

    private bool TakeAgain()
    {
        var memory = ((IGraphCapture)_backend).Arena;
        if (_ids.TryTake(memory) && _positions.TryTake(memory) && (_ranges?.TryTake(memory) ?? true)
            && _tokens.TryTake(memory) && _inverse.TryTake(memory) && (_rows?.TryTake(memory) ?? true))
        {
            return true;
        }
        Free();
        return false;
    }

    private void Write(StaticTensor area, ReadOnlySpan<int> numbers) => _backend.Upload(MemoryMarshal.AsBytes(numbers), area.Tensor);
}
