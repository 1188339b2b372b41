using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

/// <summary>One parameter of an Adafactor step: matrices of one shape, each with moments of its rows and columns. A parameter that is no
/// matrix has as many rows as elements and no moments of columns. Positions count F32 or BF16 elements from address 0.</summary>
internal struct AdafactorSlot
{
    public long Parameter, Gradient, Row, Column, Bf16Copy;

    /// <summary>Indices into the workspace: the mean of each matrix's moments of rows, the sums of each tile, and the step size.</summary>
    public long Mean, Partial, Step;
    public AdafactorFactors Factors;
    public int Matrices, Rows, Columns, HasColumn, HasBf16Copy;

    /// <summary>Threads that share a row, and columns of a thread block; powers of two.</summary>
    public int RowLanes, ColumnWidth;

    /// <summary>Tiles of consecutive elements.</summary>
    public int Tiles;

    public readonly long Count => (long)Matrices * Rows * Columns;
}

/// <summary>The moments of rows: row[r] = β·row[r] + (1 − β)·(Σ_c g²/columns + ε₁); a chunk's Start is the index of a tile of
/// rows.</summary>
internal readonly struct AdafactorRows : IKernel<MultiTensorArgs<AdafactorSlot>>
{
    public static void Run(MultiTensorArgs<AdafactorSlot> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        int lanes = slot.RowLanes, lane = Group.IdxX % lanes;
        int row = (chunk.Start * (Group.DimX / lanes)) + (Group.IdxX / lanes);
        bool exists = row < slot.Matrices * slot.Rows;
        float sum = 0;
        for (int c = lane; exists && c < slot.Columns; c += lanes)
        {
            float g = args.Memory[slot.Gradient + ((long)row * slot.Columns) + c];
            sum += g * g;
        }

        sum = AdafactorTiles.Sum(shared, sum, lanes, lane, 1);
        if (exists && lane == 0)
        {
            args.Memory[slot.Row + row] = slot.Factors.Moment(args.Memory[slot.Row + row], sum / slot.Columns);
        }
    }
}

/// <summary>The moments of columns, alike; a chunk's Start is the index of a tile of columns.</summary>
internal readonly struct AdafactorColumns : IKernel<MultiTensorArgs<AdafactorSlot>>
{
    public static void Run(MultiTensorArgs<AdafactorSlot> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        int width = slot.ColumnWidth, lanes = Group.DimX / width, lane = Group.IdxX / width;
        int column = (chunk.Start * width) + (Group.IdxX % width);
        bool exists = column < slot.Matrices * slot.Columns;
        int matrix = column / slot.Columns;
        long first = slot.Gradient + ((long)matrix * slot.Rows * slot.Columns) + (column - (matrix * slot.Columns));
        float sum = 0;
        for (int r = lane; exists && r < slot.Rows; r += lanes)
        {
            float g = args.Memory[first + ((long)r * slot.Columns)];
            sum += g * g;
        }

        sum = AdafactorTiles.Sum(shared, sum, lanes, lane, width);
        if (exists && lane == 0)
        {
            args.Memory[slot.Column + column] = slot.Factors.Moment(args.Memory[slot.Column + column], sum / slot.Rows);
        }
    }
}

/// <summary>The mean of the moments of a matrix's rows; a chunk's Start is the index of the matrix.</summary>
internal readonly struct AdafactorMeans : IKernel<MultiTensorArgs<AdafactorSlot>>
{
    public static void Run(MultiTensorArgs<AdafactorSlot> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        float sum = 0;
        for (int r = Group.IdxX; r < slot.Rows; r += Group.DimX)
        {
            sum += args.Memory[slot.Row + ((long)chunk.Start * slot.Rows) + r];
        }

        sum = Threads.Sum(shared, sum);
        if (Group.IdxX == 0)
        {
            args.Sums[slot.Mean + chunk.Start] = sum / slot.Rows;
        }
    }
}

/// <summary>Σ u² of a tile of elements, before the gradient is scaled; a chunk's Start is the index of the tile.</summary>
internal readonly struct AdafactorSquares : IKernel<MultiTensorArgs<AdafactorSlot>>
{
    public static void Run(MultiTensorArgs<AdafactorSlot> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        long start = (long)chunk.Start * args.Run;
        int count = AdafactorTiles.CountFrom(slot, start, args.Run);
        float sum = 0;
        for (int i = Group.IdxX; i < count; i += Group.DimX)
        {
            float u = AdafactorTiles.Update(args, slot, start, i);
            sum += u * u;
        }

        sum = Threads.Sum(shared, sum);
        if (Group.IdxX == 0)
        {
            args.Sums[slot.Partial + chunk.Start] = sum;
        }
    }
}

/// <summary>The factor of all updates of a parameter, from the sums of its tiles.</summary>
internal readonly struct AdafactorStepSize : IKernel<MultiTensorArgs<AdafactorSlot>>
{
    public static void Run(MultiTensorArgs<AdafactorSlot> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        var slot = args.Slots[args.Chunks[Grid.IdxX].Slot];
        float sum = 0;
        for (int i = Group.IdxX; i < slot.Tiles; i += Group.DimX)
        {
            sum += args.Sums[slot.Partial + i];
        }

        sum = Threads.Sum(shared, sum);
        if (Group.IdxX == 0)
        {
            float scale = slot.Factors.Gradient;
            args.Sums[slot.Step] = slot.Factors.StepSize(sum * scale * scale, slot.Count) * scale;
        }
    }
}

/// <summary>p = p·(1 − lr·λ) − step·u for a tile of elements, and their BF16 copies.</summary>
internal readonly struct AdafactorUpdate : IKernel<MultiTensorArgs<AdafactorSlot>>
{
    public static void Run(MultiTensorArgs<AdafactorSlot> args)
    {
        var chunk = args.Chunks[Grid.IdxX];
        var slot = args.Slots[chunk.Slot];
        long start = (long)chunk.Start * args.Run;
        int count = AdafactorTiles.CountFrom(slot, start, args.Run);
        float step = args.Sums[slot.Step];
        for (int i = Group.IdxX; i < count; i += Group.DimX)
        {
            long at = slot.Parameter + start + i;
            float p = (args.Memory[at] * slot.Factors.Keep) - (step * AdafactorTiles.Update(args, slot, start, i));
            args.Memory[at] = p;
            if (slot.HasBf16Copy != 0)
            {
                args.Bf16Memory[slot.Bf16Copy + start + i] = BFloat16.FromFloat(p);
            }
        }
    }
}

/// <summary>What the kernels of Adafactor share.</summary>
internal static class AdafactorTiles
{
    /// <summary>Elements of a tile.</summary>
    public static int CountFrom(AdafactorSlot slot, long start, int most)
    {
        long left = slot.Count - start;
        return left < most ? (int)left : most;
    }

    /// <summary>Σ over the threads whose index differs by multiples of <paramref name="distance"/>, for the thread of lane 0, in a fixed
    /// order. All threads must call it.</summary>
    public static float Sum(ArrayView<float> shared, float value, int lanes, int lane, int distance)
    {
        shared[Group.IdxX] = value;
        for (int half = lanes / 2; half > 0; half /= 2)
        {
            Group.Barrier();
            if (lane < half)
            {
                shared[Group.IdxX] += shared[Group.IdxX + (half * distance)];
            }
        }

        return shared[Group.IdxX];
    }

    /// <summary>u = g/√(r/mean(r))/√c, or g/√v, of element start + i.</summary>
    public static float Update(MultiTensorArgs<AdafactorSlot> args, AdafactorSlot slot, long start, int i)
    {
        float g = args.Memory[slot.Gradient + start + i];
        if (slot.HasColumn == 0)
        {
            return g / MathF.Sqrt(args.Memory[slot.Row + start + i]);
        }

        // 64-bit divisions only of the tile's start.
        long firstRow = start / slot.Columns;
        int column = (int)(start - (firstRow * slot.Columns)) + i, down = column / slot.Columns;
        int row = (int)firstRow + down, matrix = row / slot.Rows;
        column += (matrix * slot.Columns) - (down * slot.Columns);
        return g / MathF.Sqrt(args.Memory[slot.Row + row] / args.Sums[slot.Mean + matrix]) / MathF.Sqrt(args.Memory[slot.Column + column]);
    }
}
