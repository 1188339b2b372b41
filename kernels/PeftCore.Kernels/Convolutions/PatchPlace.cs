namespace PeftCore.Kernels;

/// <summary>The output position whose patch has an input position at a kernel position.</summary>
internal static class PatchPlace
{
    /// <summary>o with o·stride + tap·dilation − pad = position; −1 if there is none.</summary>
    public static int Of(int position, int tap, int pad, int dilation, int stride, int extent)
    {
        int at = position + pad - (tap * dilation);
        return at >= 0 && at % stride == 0 && at / stride < extent ? at / stride : -1;
    }
}
