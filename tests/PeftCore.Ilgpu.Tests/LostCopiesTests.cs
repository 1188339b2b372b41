namespace PeftCore.Ilgpu.Tests;

public sealed class LostCopiesTests
{
    [Test]
    public void A_loop_variable_that_is_read_after_a_branch_to_the_loops_head_is_found() =>
        Assert.That(LostCopies.In(Loop(read: "%r1")), Is.EqualTo(new[] { "%r1 in L_2" }));

    [Test]
    public void A_loop_that_reads_the_new_value_is_sound() => Assert.That(LostCopies.In(Loop(read: "%r2")), Is.Empty);

    [Test]
    public void A_condition_that_is_overwritten_before_its_branch_is_found() =>
        Assert.That(LostCopies.In(Loop(read: "%r2").Replace("%p2 bra", "%p3 bra", StringComparison.Ordinal)
            .Replace("mov.b32 %r1, %r2", "mov.pred %p3, %p2", StringComparison.Ordinal)
            .Replace("mov.b32 %r1, 0", "mov.pred %p3, %p1", StringComparison.Ordinal)), Is.EqualTo(new[] { "%p3 in L_2" }));

    // for (i = 0; i < n; i = j) { j = i + 1; if (j is even) { continue; } store(read); i = j; }
    private static string Loop(string read) => $$"""
        mov.b32 %r1, 0;
        bra.uni L_1;
        L_1:
        setp.ge.s32 %p1, %r1, %r9;
        @%p1 bra L_4;
        bra.uni L_2;
        L_2:
        add.s32 %r2, %r1, 1;
        and.b32 %r3, %r2, 1;
        setp.eq.s32 %p2, %r3, 0;
        mov.b32 %r1, %r2;
        @%p2 bra L_1;
        bra.uni L_3;
        L_3:
        st.b32 [%rd1], {{read}};
        mov.b32 %r1, %r2;
        bra.uni L_1;
        L_4:
        ret;
        """;
}
