using System.Globalization;
using System.Text;

namespace PeftCore.Kernels.Ilgpu.Ampere.Quantized;

/// <summary>Writes the macros of <see cref="DequantizeKernel"/> as PTX. Products and sums are rounded one by one (mul.rn, add.rn), as the
/// reference does, never fused. The sixteen levels are in different banks of shared memory, so that a warp reads any of them at
/// once.</summary>
internal sealed class DequantizePtx(DequantizeShape shape)
{
    private const int Groups = DequantizeShape.GroupsPerThread, Numbers = DequantizeShape.Group;

    // 1/127 in F32.
    private const string InverseLargest = "0f3C010204";

    /// <summary>Expands the macros in ILGPU's PTX.</summary>
    public string Expand(string ptx) => PtxMacros.Expand(ptx, Write, target: "sm_80");

    private bool Write(StringBuilder text, string[] name, string[] a)
    {
        switch (name[0])
        {
            case "begin": Begin(text); break;
            case "load": Load(text, a); break;
            case "tables": Tables(text, a); break;
            case "store": Store(text, a); break;
            default: return false;
        }
        return true;
    }

    private static void Begin(StringBuilder text)
    {
        Add(text, $".reg .u32 sbase, map;\n.reg .u64 group<{Groups}>;\n.reg .pred in<{Groups}>;\n.reg .b32 codes<{2 * Groups}>;\n");
        Add(text, $".reg .f32 scale<{Groups}>, outer<{Groups}>, mean;\n.reg .u32 inner<{Groups}>;\n");
        Add(text, $"mov.u32 sbase, {PtxMacros.Shared};\nadd.u32 sbase, sbase, 1023;\nand.b32 sbase, sbase, 0xFFFFFC00;\n");
        Add(text, $"add.u32 map, sbase, {DequantizeShape.LevelBytes};\n");
    }

    // Arguments: first group, number of groups, addresses of codes, scales and their scales, binary logarithm of
    // the groups of a block (INT8: groups of a row).
    private void Load(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .u64 at, block;\n.reg .u32 low;\n");
        for (int i = 0; i < Groups; i++)
        {
            Add(text, $"add.u64 group{i}, {a[0]}, {i * DequantizeShape.Threads};\nsetp.lt.u64 in{i}, group{i}, {a[1]};\n");
            Add(text, $"mov.b32 codes{2 * i}, 0;\nmov.b32 codes{(2 * i) + 1}, 0;\nmov.f32 scale{i}, 0f00000000;\n");
            Add(text, $"mad.lo.u64 at, group{i}, {(shape.FourBits ? 4 : 8)}, {a[2]};\n");
            Add(text, shape.FourBits ? (FormattableString)$"@in{i} ld.global.nc.b32 codes{2 * i}, [at];\n"
                : $"@in{i} ld.global.nc.v2.b32 {{codes{2 * i}, codes{(2 * i) + 1}}}, [at];\n");
        }
        for (int i = 0; i < Groups; i++)
        {
            Add(text, shape.FourBits ? (FormattableString)$"shr.u64 block, group{i}, {a[5]};\n"
                : $"cvt.u32.u64 low, group{i};\ndiv.u32 low, low, {a[5]};\ncvt.u64.u32 block, low;\n");
            if (shape.DoubleQuantized)
            {
                Add(text, $"mov.u32 inner{i}, 0;\nmov.f32 outer{i}, 0f00000000;\nadd.u64 at, block, {a[3]};\n");
                Add(text, $"@in{i} ld.global.nc.u8 inner{i}, [at];\nshr.u64 at, block, 8;\nmad.lo.u64 at, at, 4, {a[4]};\n");
                Add(text, $"@in{i} ld.global.nc.f32 outer{i}, [at];\n");
            }
            else
            {
                Add(text, $"mad.lo.u64 at, block, 4, {a[3]};\n@in{i} ld.global.nc.f32 scale{i}, [at];\n");
            }
        }
        text.Append("}\n");
    }

    // Arguments: addresses of the levels, of the dynamic map, and of the mean.
    private void Tables(StringBuilder text, string[] a)
    {
        if (!shape.FourBits)
        {
            return;
        }
        text.Append("{\n.reg .pred few;\n.reg .u32 t, to;\n.reg .u64 at;\n.reg .f32 x;\nmov.u32 t, %tid.x;\n");
        Add(text, $"setp.lt.u32 few, t, 16;\nmad.lo.u32 to, t, 4, sbase;\nmad.wide.u32 at, t, 4, {a[0]};\n");
        text.Append("@few ld.global.nc.f32 x, [at];\n@few st.shared.f32 [to], x;\n");
        if (shape.DoubleQuantized)
        {
            Add(text, $"mad.lo.u32 to, t, 4, map;\nmad.wide.u32 at, t, 4, {a[1]};\nld.global.nc.f32 x, [at];\nst.shared.f32 [to], x;\n");
            Add(text, $"ld.global.nc.f32 mean, [{a[2]}];\n");
        }
        text.Append("}\n");
    }

    // Argument: address of the numbers.
    private void Store(StringBuilder text, string[] a)
    {
        Add(text, $"{{\n.reg .u64 to;\n.reg .u32 at;\n.reg .s32 code;\n.reg .f32 x<{Numbers}>;\n.reg .b32 pair<{Numbers / 2}>;\n");
        for (int i = 0; i < Groups; i++)
        {
            if (shape.DoubleQuantized)
            {
                Add(text, $"mad.lo.u32 at, inner{i}, 4, map;\nld.shared.f32 scale{i}, [at];\n");
                Add(text, $"mul.rn.f32 scale{i}, scale{i}, outer{i};\nadd.rn.f32 scale{i}, scale{i}, mean;\n");
            }
            else if (!shape.FourBits)
            {
                Add(text, $"mul.rn.f32 scale{i}, scale{i}, {InverseLargest};\n");
            }
            for (int j = 0; j < Numbers; j++)
            {
                Level(text, i, j);
                Add(text, $"mul.rn.f32 x{j}, x{j}, scale{i};\n");
            }
            for (int j = 0; j < Numbers; j += 2)
            {
                Add(text, $"cvt.rn.bf16x2.f32 pair{j / 2}, x{j + 1}, x{j};\n");
            }
            Add(text, $"mad.lo.u64 to, group{i}, 16, {a[0]};\n@in{i} st.global.v4.b32 [to], {{pair0, pair1, pair2, pair3}};\n");
        }
        text.Append("}\n");
    }

    private void Level(StringBuilder text, int group, int number)
    {
        if (!shape.FourBits)
        {
            Add(text, $"bfe.s32 code, codes{(2 * group) + (number / 4)}, {8 * (number % 4)}, 8;\ncvt.rn.f32.s32 x{number}, code;\n");
            return;
        }
        // The first of two codes is in the upper half of a byte.
        int shift = (8 * (number / 2)) + (number % 2 == 0 ? 4 : 0) - 2;
        Add(text, $"{(shift < 0 ? "shl" : "shr")}.b32 at, codes{2 * group}, {Math.Abs(shift)};\nand.b32 at, at, 60;\n");
        Add(text, $"or.b32 at, at, sbase;\nld.shared.f32 x{number}, [at];\n");
    }

    private static void Add(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture));
}
