using System.Numerics;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>The vector instructions that a kernel uses.</summary>
internal enum SimdLevel
{
    Portable,
    Avx2,
    Avx512,
}

/// <summary>Work that is generic over the vector width and the tile of matrix products.</summary>
internal interface ISimdAction
{
    /// <summary>Does the work with one tile and one vector type.</summary>
    void Run<TTile, TSimd, TVector>()
        where TTile : struct, ITile
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;
}

/// <summary>The one place where a <see cref="SimdLevel"/> becomes type arguments.</summary>
internal static class SimdDispatch
{
    /// <summary>Runs an action with the tile and vectors of a level.</summary>
    public static void Run<TAction>(SimdLevel level, TAction action)
        where TAction : struct, ISimdAction
    {
        switch (level)
        {
            case SimdLevel.Avx512:
                action.Run<Tile512, Simd512, Vector512<float>>();
                break;
            case SimdLevel.Avx2:
                action.Run<Tile<Simd256, Vector256<float>>, Simd256, Vector256<float>>();
                break;
            default:
                action.Run<Tile<SimdPortable, Vector<float>>, SimdPortable, Vector<float>>();
                break;
        }
    }

    /// <summary>Columns of C that a tile of this level covers.</summary>
    public static int TileColumns(SimdLevel level) => level switch
    {
        SimdLevel.Avx512 => Tile512.Columns,
        SimdLevel.Avx2 => Tile<Simd256, Vector256<float>>.Columns,
        _ => Tile<SimdPortable, Vector<float>>.Columns,
    };
}
