using System.Globalization;
using System.Text;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>Writes a result from registers to memory, one or two numbers at a time. Lane l holds, of every eight columns, columns 2(l mod
/// 4) and the next in row l/4 (acc4j, acc4j+1, counted from the first register) and in the row eight below (acc4j+2, acc4j+3).</summary>
internal sealed class ResultPtx(int tileN, int start, bool bf16, ResultStore store)
{
    private int Bytes => bf16 ? 2 : 4;

    /// <summary>Multiplies the sums by a number.</summary>
    public void Scale(StringBuilder text, string factor)
    {
        for (int i = 0; i < tileN / 2; i++)
        {
            Add(text, $"mul.f32 {Name(i)}, {Name(i)}, {factor};\n");
        }
    }

    /// <summary>Adds a bias row. Arguments: address of the thread's first entry, columns left from there, whether the row is
    /// BF16.</summary>
    public void Bias(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .pred here, narrow, wide;\n.reg .u32 size;\n.reg .b16 h, zero;\n.reg .b32 bits;\n.reg .f32 x;\n" +
            ".reg .u64 from;\nmov.b16 zero, 0;\n");
        Add(text, $"setp.ne.s32 narrow, {a[2]}, 0;\nselp.u32 size, 2, 4, narrow;\n");
        for (int j = 0; j < tileN / 8; j++)
        {
            for (int i = 0; i < 2; i++)
            {
                Add(text, $"mad.wide.u32 from, size, {(8 * j) + i}, {a[0]};\nmov.b32 bits, 0;\nmov.b16 h, 0;\n");
                Add(text, $"setp.gt.s32 here, {a[1]}, {(8 * j) + i};\n");
                Add(text, $"and.pred wide, here, narrow;\n@wide ld.global.nc.b16 h, [from];\nmov.b32 bits, {{zero, h}};\n");
                Add(text, $"not.pred wide, narrow;\nand.pred wide, wide, here;\n@wide ld.global.nc.b32 bits, [from];\nmov.b32 x, bits;\n");
                Add(text, $"add.f32 {Name((4 * j) + i)}, {Name((4 * j) + i)}, x;\n");
                Add(text, $"add.f32 {Name((4 * j) + 2 + i)}, {Name((4 * j) + 2 + i)}, x;\n");
            }
        }
        text.Append("}\n");
    }

    /// <summary>Adds the result in memory to the sums, or writes the sums to it. Arguments: address of the thread's first element, rows and
    /// columns left from there, bytes of eight rows, bytes from a column to the next.</summary>
    public void Elements(StringBuilder text, string[] a, bool add)
    {
        text.Append("{\n.reg .pred rowin, here;\n.reg .u64 at, from;\n.reg .f32 x, y;\n.reg .b32 bits;\n.reg .b16 h, zero;\n");
        Add(text, $"mov.u64 at, {a[0]};\nmov.b16 zero, 0;\n");
        for (int half = 0; half < 2; half++)
        {
            Add(text, $"setp.gt.s32 rowin, {a[1]}, {8 * half};\n");
            for (int j = 0; j < tileN / 8; j++)
            {
                int first = (4 * j) + (2 * half);
                if (store != ResultStore.Singles)
                {
                    Add(text, $"setp.gt.and.s32 here, {a[2]}, {8 * j}, rowin;\n");
                    Pair(text, first, 8 * j * Bytes, add);
                    continue;
                }
                for (int i = 0; i < 2; i++)
                {
                    Add(text, $"setp.gt.and.s32 here, {a[2]}, {(8 * j) + i}, rowin;\nmad.wide.u32 from, {a[4]}, {(8 * j) + i}, at;\n");
                    Single(text, first + i, add);
                }
            }
            Add(text, $"add.u64 at, at, {a[3]};\n");
        }
        text.Append("}\n");
    }

    private void Pair(StringBuilder text, int first, int offset, bool add)
    {
        string acc = Name(first), next = Name(first + 1);
        if (!add)
        {
            text.Append(bf16 ? $"cvt.rn.bf16x2.f32 bits, {next}, {acc};\n" : "");
            Add(text, bf16 ? (FormattableString)$"@here st.global.b32 [at+{offset}], bits;\n"
                : $"@here st.global.v2.f32 [at+{offset}], {{{acc}, {next}}};\n");
            return;
        }
        if (bf16)
        {
            Add(text, $"mov.b32 bits, 0;\n@here ld.global.b32 bits, [at+{offset}];\n");
            text.Append("{\n.reg .b32 low, high;\nshl.b32 low, bits, 16;\nand.b32 high, bits, 0xFFFF0000;\nmov.b32 x, low;\n" +
                "mov.b32 y, high;\n}\n");
        }
        else
        {
            Add(text, $"mov.f32 x, 0f00000000;\nmov.f32 y, 0f00000000;\n@here ld.global.v2.f32 {{x, y}}, [at+{offset}];\n");
        }
        Add(text, $"add.f32 {acc}, {acc}, x;\nadd.f32 {next}, {next}, y;\n");
    }

    private void Single(StringBuilder text, int register, bool add)
    {
        string acc = Name(register);
        text.Append((bf16, add) switch
        {
            (true, true) => $"mov.b16 h, 0;\n@here ld.global.b16 h, [from];\nmov.b32 bits, {{zero, h}};\nmov.b32 x, bits;\n" +
                $"add.f32 {acc}, {acc}, x;\n",
            (false, true) => $"mov.f32 x, 0f00000000;\n@here ld.global.f32 x, [from];\nadd.f32 {acc}, {acc}, x;\n",
            (true, false) => $"cvt.rn.bf16.f32 h, {acc};\n@here st.global.b16 [from], h;\n",
            (false, false) => $"@here st.global.f32 [from], {acc};\n",
        });
    }

    private string Name(int register) => string.Create(CultureInfo.InvariantCulture, $"acc{start + register}");

    private static void Add(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture));
}
