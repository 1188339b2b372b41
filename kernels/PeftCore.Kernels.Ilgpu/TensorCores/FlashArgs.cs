using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>Attention heads by address: bytes from row to row and from head to head.</summary>
internal struct FlashHeads
{
    public long Address, Row, Head;

    public readonly long At(long token, int head) => Address + (token * Row) + (head * Head);
}

/// <summary>A view as a launch passes it: what a kernel sees as an ArrayView.</summary>
internal struct RawView
{
    public nint Address;
    public long Length;
}

/// <summary>Arguments of attention on Hopper. <typeparamref name="TView"/> is an ArrayView in the kernel and a <see cref="RawView"/> outside;
/// both look alike in memory.</summary>
internal struct FlashArgs<TView> where TView : struct
{
    public TView Ranges;
    public FlashHeads Q, K, V, O, DOut, DQ, DK, DV;
    public long Lse, Delta;
    public int Batch, Queries, Keys, Heads, KeyHeads, Tiles, HasRanges, AddDQ, AddDK, AddDV;
    public float Scale, ScaleLog2;
}

/// <summary>Macros for one head dimension.</summary>
internal interface IFlashDim
{
    static abstract int Dim { get; }

    static abstract void Begin();

    static abstract void ScoresS(int rows, int columns);

    static abstract void ScoresG(int rows, int columns);

    static abstract void Softmax(int column, int from0, int to0, int from1, int to1, float scaleLog2);

    static abstract void CombineSO(int tile);

    static abstract void CombineSV(int tile);

    static abstract void CombineGO(int tile);

    static abstract void Output(long row0, long row1, long lse0, long lse1, int has0, int has1, int lead);

    static abstract void GradientO(long row0, long row1, int has0, int has1, int accumulate);

    static abstract void GradientV(long row0, long row1, int has0, int has1, int accumulate);
}

/// <summary>What the attention kernels for Hopper share.</summary>
internal static class FlashTiles
{
    /// <summary>Reads a tile of 64 tokens of one head, rounded to BF16, into shared memory; zeros behind the last token.</summary>
    public static void Load<TDim>(FlashHeads heads, int b, int tokens, int first, int head, int shared) where TDim : struct, IFlashDim
    {
        int chunks = TDim.Dim / 8, rows = FlashPtx.Threads / chunks, r = Group.IdxX / chunks, c = Group.IdxX % chunks;
        long source = heads.At(((long)b * tokens) + first + r, head) + (32L * c);
        shared += (c / 8 * 8192) + (r * 128) + (((c % 8) ^ (r & 7)) * 16);
        for (int i = 0; i < FlashPtx.Tile; i += rows)
        {
            ILGPU.Runtime.Cuda.CudaAsm.Emit("peft.tile %0, %1, %2;", shared, source, first + r + i < tokens ? 1 : 0);
            source += rows * heads.Row;
            shared += rows * 128;
        }
    }
}
