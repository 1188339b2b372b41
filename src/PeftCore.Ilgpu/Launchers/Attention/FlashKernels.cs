using ILGPU;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private void RunForward(in FlashGeometry tiles, in FlashArgs<RawView> args)
    {
        switch (tiles.Dim)
        {
            case 32: Flash<FlashForward<Flash32>>(tiles, args); break;
            case 64: Flash<FlashForward<Flash64>>(tiles, args); break;
            case 80: Flash<FlashForward<Flash80>>(tiles, args); break;
            case 96: Flash<FlashForward<Flash96>>(tiles, args); break;
            case 128: Flash<FlashForward<Flash128>>(tiles, args); break;
            default: Flash<FlashForward<Flash256>>(tiles, args); break;
        }
    }

    private void RunQueryGradient(in FlashGeometry tiles, in FlashArgs<RawView> args)
    {
        switch (tiles.Dim)
        {
            case 32: Flash<FlashQueryGradient<Flash32>>(tiles, args); break;
            case 64: Flash<FlashQueryGradient<Flash64>>(tiles, args); break;
            case 80: Flash<FlashQueryGradient<Flash80>>(tiles, args); break;
            case 96: Flash<FlashQueryGradient<Flash96>>(tiles, args); break;
            case 128: Flash<FlashQueryGradient<Flash128>>(tiles, args); break;
            default: Flash<FlashQueryGradient<Flash256>>(tiles, args); break;
        }
    }

    // Tiles without values among what stays are those of the values' gradient alone.
    private void RunKeyGradient(in FlashGeometry tiles, in FlashArgs<RawView> args)
    {
        switch (tiles.Dim, tiles.Kept)
        {
            case (32, _): Flash<FlashKeyGradient<Flash32>>(tiles, args); break;
            case (64, _): Flash<FlashKeyGradient<Flash64>>(tiles, args); break;
            case (80, _): Flash<FlashKeyGradient<Flash80>>(tiles, args); break;
            case (96, _): Flash<FlashKeyGradient<Flash96>>(tiles, args); break;
            case (128, _): Flash<FlashKeyGradient<Flash128>>(tiles, args); break;
            case (_, 1): Flash<FlashKeyGradient<Flash256Values>>(tiles, args); break;
            default: Flash<FlashKeyGradient<Flash256Keys>>(tiles, args); break;
        }
    }

    private void Flash<TKernel>(in FlashGeometry tiles, in FlashArgs<RawView> args)
        where TKernel : struct, IKernel<FlashArgs<ArrayView<int>>> =>
        _device.RunTensorCores<TKernel, FlashArgs<ArrayView<int>>, FlashArgs<RawView>>(
            Math.Min(args.WorkTiles, Processors), 1, LaunchShape.Attention(tiles), args);
}
